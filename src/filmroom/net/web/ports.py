"""What the web door needs from the archive, as small protocols."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from filmroom.archive.devices import Devices
from filmroom.archive.model import Outcome
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.retrieve import Handout, Located
from filmroom.archive.retrieve_frames import Bulk, Frames
from filmroom.base.clock import Clock
from filmroom.dicom.question import JsonDataset, Question
from filmroom.net.web.health import Check
from filmroom.security.accounts import Accounts
from filmroom.security.principals import Principal
from filmroom.security.sessions import Sessions
from filmroom.security.tokens import Tokens
from filmroom.settings import Settings
from filmroom.storage.blobs import Blobs


class Query(Protocol):
    """Finding."""

    async def page(self, who: Principal, question: Question) -> tuple[list[JsonDataset], Any]: ...


class Retrieve(Protocol):
    """Handing out."""

    async def locate(
        self, who: Principal, *, studies: Sequence[str] = (), series: Sequence[str] = (), instances: Sequence[str] = ()
    ) -> list[Located]: ...

    async def file(self, item: Located, acceptable: Sequence[str] = ...) -> Handout: ...

    def stored_data(self, item: Located) -> Any: ...


class FrameReader(Protocol):
    """Frames and bulk values."""

    async def frames(self, item: Located, numbers: Sequence[int], acceptable: Sequence[str] = ...) -> Frames: ...

    async def bulk(self, item: Located, path: Sequence[int]) -> Bulk: ...


class Document(Protocol):
    """The metadata of one series version."""

    @property
    def etag(self) -> str: ...

    @property
    def compressed(self) -> bytes: ...

    @property
    def json(self) -> bytes: ...

    def instance(self, sop_uid: str) -> bytes | None: ...


class SeriesDocuments(Protocol):
    """Ready-made metadata."""

    async def series_metadata(self, who: Principal, study: str, series: str) -> Document: ...

    async def study_metadata(self, who: Principal, study: str) -> Sequence[Document]: ...


class Incoming(Protocol):
    """One object on its way in."""

    def write(self, chunk: bytes | memoryview) -> None: ...

    @property
    def full(self) -> bool: ...

    async def drain(self) -> None: ...

    async def finish(self) -> Outcome: ...

    async def discard(self) -> None: ...


class Ingest(Protocol):
    """The one door for new objects."""

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
    ) -> Incoming: ...


class Quarantine(Protocol):
    """What could not be filed."""

    async def list(self, who: Principal) -> Sequence[Any]: ...


class Counts(Protocol):
    """Figures of the archive."""

    async def __call__(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServices:
    """Everything the web application works with. Built in ``app.py``."""

    settings: Settings
    clock: Clock
    accounts: Accounts
    sessions: Sessions
    tokens: Tokens
    query: Query
    retrieve: Retrieve
    frames: FrameReader
    documents: SeriesDocuments
    ingest: Ingest
    blobs: Blobs
    pixels: PixelPool
    devices: Devices
    quarantine: Quarantine | None = None
    counts: Counts | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)


Chunks = AsyncIterator[bytes]
