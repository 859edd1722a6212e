"""What the web door needs from the archive, as small protocols."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from filmroom.archive.changes import Changes
from filmroom.archive.commitment import Commitments
from filmroom.archive.commitment_web import WebCommitments
from filmroom.archive.compression_rounds import Rounds
from filmroom.archive.corrections import Corrections
from filmroom.archive.delete import Deleting
from filmroom.archive.devices import Device, Devices
from filmroom.archive.devices_callers import Callers
from filmroom.archive.devices_live import LiveList
from filmroom.archive.devices_local import LocalAes
from filmroom.archive.door import Ingest
from filmroom.archive.export import Exports
from filmroom.archive.listing import Listing
from filmroom.archive.model import Outcome
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.recordings import Recordings
from filmroom.archive.retrieve import Handout, Located
from filmroom.archive.retrieve_frames import Bulk, Frames
from filmroom.archive.rules_book import RuleBook
from filmroom.archive.safekeeping import Safekeeping
from filmroom.archive.sending import Sending
from filmroom.archive.sending_rules_book import ForwardRules
from filmroom.base.clock import Clock
from filmroom.db.feed_tail import FeedTail
from filmroom.db.repeats import Repeats
from filmroom.dicom.question import JsonDataset, Question
from filmroom.integration.webhooks import Webhooks
from filmroom.net.web.health import Check
from filmroom.ops.figures import Figures
from filmroom.ops.work import Work
from filmroom.security.accounts import Accounts
from filmroom.security.people import People
from filmroom.security.policy import Action
from filmroom.security.principals import Principal
from filmroom.security.sessions import Sessions
from filmroom.security.tokens import Tokens
from filmroom.settings import Settings
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange
from filmroom.workflow.availability import Availability
from filmroom.workflow.debugger import WorklistDebugger
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mwl import Worklist
from filmroom.workflow.orders import Orders
from filmroom.workflow.ups import Workitems
from filmroom.workflow.ups_events import Subscriptions


class Query(Protocol):
    """Finding."""

    async def page(self, who: Principal, question: Question) -> tuple[list[JsonDataset], Any]: ...

    async def count(self, who: Principal, question: Question) -> int: ...


class Retrieve(Protocol):
    """Handing out."""

    async def locate(
        self,
        who: Principal,
        *,
        studies: Sequence[str] = (),
        series: Sequence[str] = (),
        instances: Sequence[str] = (),
        action: Action = Action.VIEW,
    ) -> list[Located]: ...

    async def file(self, item: Located, acceptable: Sequence[str] = ...) -> Handout: ...

    def stored_data(self, item: Located) -> Any: ...


class FrameReader(Protocol):
    """Frames and bulk values."""

    async def frames(self, item: Located, numbers: Sequence[int], acceptable: Sequence[str] = ...) -> Frames: ...

    async def bulk(self, item: Located, path: Sequence[int]) -> Bulk: ...

    async def stored_runs(self, item: Located, number: int) -> list[BlobRange]: ...


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


class Quarantine(Protocol):
    """What could not be filed."""

    async def list(self, who: Principal) -> Sequence[Any]: ...

    async def get(self, who: Principal, pk: int) -> Any: ...

    def read(self, who: Principal, pk: int) -> AsyncIterator[bytes]: ...

    async def requeue(self, who: Principal, pk: int, door: Any) -> Outcome: ...

    async def release(self, who: Principal, pk: int, door: Any, changes: Mapping[str, Any], *, why: str) -> Outcome: ...

    async def discard(self, who: Principal, pk: int, *, why: str = "") -> None: ...


class Counts(Protocol):
    """Figures of the archive."""

    async def __call__(self) -> Mapping[str, int]: ...


class Finding(Protocol):
    """What one step of a connection test found."""

    @property
    def name(self) -> str: ...
    @property
    def outcome(self) -> Any: ...
    @property
    def code(self) -> str: ...
    @property
    def ms(self) -> float: ...
    def told(self, language: str = "en") -> str: ...


class DeviceTest(Protocol):
    """The connection test of a device, step by step."""

    def __call__(self, device: Device) -> AsyncIterator[Finding]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServices:
    """Everything the web application works with. Built in ``app/web.py``."""

    settings: Settings
    clock: Clock
    accounts: Accounts
    sessions: Sessions
    tokens: Tokens
    people: People
    keeping: Safekeeping | None = None
    query: Query
    retrieve: Retrieve
    frames: FrameReader
    documents: SeriesDocuments
    ingest: Ingest
    blobs: Blobs
    pixels: PixelPool
    devices: Devices
    local_aes: LocalAes | None = None
    callers: Callers | None = None
    live: LiveList | None = None
    quarantine: Quarantine | None = None
    corrections: Corrections | None = None
    rules: RuleBook | None = None
    forward_rules: ForwardRules | None = None
    compression: Rounds | None = None
    counts: Counts | None = None
    deleting: Deleting | None = None
    listing: Listing | None = None
    changes: Changes | None = None
    work: Work | None = None
    sending: Sending | None = None
    exports: Exports | None = None
    webhooks: Webhooks | None = None
    repeats: Repeats | None = None
    figures: Figures | None = None
    workitems: Workitems | None = None
    subscriptions: Subscriptions | None = None
    orders: Orders | None = None
    worklist: Worklist | None = None
    worklist_debugger: WorklistDebugger | None = None
    performed: PerformedSteps | None = None
    availability: Availability | None = None
    commitments: Commitments | None = None
    web_commitments: WebCommitments | None = None
    tail: FeedTail | None = None
    recordings: Recordings | None = None
    device_test: DeviceTest | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)


Chunks = AsyncIterator[bytes]
