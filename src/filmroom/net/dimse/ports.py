"""What the DIMSE edge needs from the archive, as Protocols."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from filmroom.archive.devices import Device
from filmroom.archive.devices_callers import Attempt
from filmroom.archive.devices_local import LocalAe
from filmroom.dicom.question import JsonDataset, Question
from filmroom.security.principals import Principal


class Query(Protocol):
    """Where questions are answered, match by match."""

    def find(self, who: Principal, question: Question) -> AsyncIterator[JsonDataset]: ...
    def unsupported(self, question: Question) -> Sequence[object]:
        """The attributes asked for that are neither matched nor known."""
        ...


class Located(Protocol):
    """A stored object that was found."""

    @property
    def study_uid(self) -> str: ...
    @property
    def sop_uid(self) -> str: ...
    @property
    def sop_class(self) -> str: ...
    @property
    def transfer_syntax(self) -> str: ...


class Handout(Protocol):
    """A stored object's data set, ready to be sent in ``transfer_syntax``."""

    @property
    def transfer_syntax(self) -> str: ...
    @property
    def chunks(self) -> AsyncIterator[bytes]: ...


class Retrieve(Protocol):
    """Where stored objects are found and handed out. ``handout`` raises Unsupported when no syntax fits."""

    async def locate(
        self,
        who: Principal,
        *,
        patient: tuple[str, str | None] | None = None,
        studies: Sequence[str] = (),
        series: Sequence[str] = (),
        instances: Sequence[str] = (),
    ) -> Sequence[Any]: ...
    async def handout(self, item: Any, acceptable: Sequence[str]) -> Handout: ...


class Devices(Protocol):
    """Who is who among AE titles."""

    async def find(self, ae_title: str) -> Device | None: ...


class LocalAes(Protocol):
    """The AE titles of ours."""

    async def find(self, title: str) -> LocalAe | None: ...


class CallerBook(Protocol):
    """Where callers are remembered that did not get what they asked for. Never waits, never raises."""

    def note(self, attempt: Attempt) -> None: ...
