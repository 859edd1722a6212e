"""The one door for new objects, as those see it who hand objects in."""

from typing import Protocol

from filmroom.archive.model import Outcome
from filmroom.security.principals import Principal


class Incoming(Protocol):
    """One object on its way into the archive: written piece by piece, then finished or discarded."""

    def write(self, chunk: bytes | memoryview) -> None: ...

    @property
    def full(self) -> bool:
        """Whether to ``drain`` before more is written."""
        ...

    async def drain(self) -> None: ...

    async def finish(self) -> Outcome: ...

    async def discard(self) -> None: ...


class Ingest(Protocol):
    """Where objects are handed in (archive.ingest)."""

    def begin(
        self,
        who: Principal,
        *,
        door: str,
        source: str,
        transfer_syntax: str | None,
        sop_class: str = "",
        sop_uid: str = "",
        part10: bool,
        called: str = "",
        host: str = "",
    ) -> Incoming:
        """Raises Forbidden, NoSpace or Unavailable."""
        ...
