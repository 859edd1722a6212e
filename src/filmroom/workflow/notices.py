"""Notices to other nodes, each a durable job in the destination's own lane: UPS event reports (PS3.4 CC.2.4),
availability (annex R), performed procedure steps told of (F.9) and passed on (F.7).

Each can be sent again without harm, so whatever goes wrong is tried again until the job's time is over.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from filmroom.archive.devices import Device, Devices
from filmroom.archive.lanes import Lane, LaneHandler, NotSentYet, is_last_chance
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Unsupported
from filmroom.db.jobs import Job, Report
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.question import JsonDataset, hex_key
from filmroom.wire.dimse.status import StatusClass, status_class, status_name
from filmroom.workflow import availability
from filmroom.workflow.attributes import element
from filmroom.workflow.availability import SEND_IAN
from filmroom.workflow.mpps import FORWARD_MPPS, NOTIFY_MPPS
from filmroom.workflow.mpps_rules import STATUS, TABLE, PerformedStatus
from filmroom.workflow.ups_events import UPS_EVENT

_ups = load("filmroom.workflow", "ups.sql")
_mpps = load("filmroom.workflow", "mpps.sql")
log = structlog.get_logger()

# Answers after which the same may succeed later (PS3.7 C.5.13, C.5.22).
RETRIED: Final = frozenset({0x0110, 0x0213})
DUPLICATE: Final = 0x0111

UPS_EVENT_CLASS: Final = "1.2.840.10008.5.1.4.34.6.4"
UPS_PUSH_CLASS: Final = "1.2.840.10008.5.1.4.34.6.1"
MPPS_CLASS: Final = "1.2.840.10008.3.1.2.3.3"
MPPS_NOTIFICATION_CLASS: Final = "1.2.840.10008.3.1.2.3.5"
IAN_CLASS: Final = "1.2.840.10008.5.1.4.33"


class NoticePeer(Protocol):
    """Speaks to devices on associations opened for that. Each answers the peer's status.

    Raises FilmroomError when there is none, Unsupported when the device does not take such notices.
    """

    async def event(
        self, to: Device, abstract_syntax: str, sop_class: str, sop_uid: str, event_type: int, told: JsonDataset | None
    ) -> int: ...
    async def create(self, to: Device, sop_class: str, sop_uid: str, told: JsonDataset, charset: str = "") -> int: ...
    async def set(self, to: Device, sop_class: str, sop_uid: str, told: JsonDataset, charset: str = "") -> int: ...


class Notices:
    """Does the jobs."""

    def __init__(
        self,
        database: Database,
        devices: Devices,
        peer: NoticePeer,
        clock: Clock,
        *,
        ae_title: str,
        new_uid: Callable[[], str],
    ) -> None:
        self._database = database
        self._devices = devices
        self._peer = peer
        self._clock = clock
        self._ae_title = ae_title
        self._new_uid = new_uid

    def handlers(self) -> dict[str, LaneHandler]:
        """By kind of job."""
        return {
            UPS_EVENT: self._handler(self._ups_event),
            SEND_IAN: self._handler(self._ian),
            NOTIFY_MPPS: self._handler(self._mpps_notice),
            FORWARD_MPPS: self._handler(self._mpps_forward),
        }

    def _handler(self, send: Callable[[Device, Job], Awaitable[int]]) -> LaneHandler:
        async def handle(lane: Lane, job: Job, _: Report) -> None:
            trouble, again = await self._try(lane, job, send)
            if not trouble:
                return
            if again and not is_last_chance(job, self._clock.now()):
                raise NotSentYet(trouble)
            log.warning("notice not delivered", destination=lane.ae_title, kind=job.kind, reason=trouble)
            raise Unsupported(trouble)

        return handle

    async def _try(self, lane: Lane, job: Job, send: Callable[[Device, Job], Awaitable[int]]) -> tuple[str, bool]:
        """What kept it back ('' when nothing did), and whether to try again."""
        device = await self._devices.find(lane.ae_title)
        if device is None or not device.enabled:
            return f"no device is registered as {lane.ae_title}", True
        try:
            code = await send(device, job)
        except Unsupported as error:
            return str(error), False
        except FilmroomError as error:
            return str(error) or type(error).__name__, True
        await lane.is_well()
        if status_class(code) is not StatusClass.FAILURE:
            return "", False
        return f"the device answered {code:04X}H: {status_name(code)}", code in RETRIED

    async def _ups_event(self, to: Device, job: Job) -> int:
        async with self._database.connection() as connection:
            row = await _ups.event.one(connection, pk=job.body["event"])
        if row is None:
            return 0
        return await self._peer.event(
            to, UPS_EVENT_CLASS, UPS_PUSH_CLASS, row["sop_uid"], row["event_type"], row["attributes"]
        )

    async def _ian(self, to: Device, job: Job) -> int:
        async with self._database.connection() as connection:
            told = await availability.notification(
                connection, job.body["study_uid"], job.body.get("performed", ""), self._ae_title
            )
        return 0 if told is None else await self._peer.create(to, IAN_CLASS, self._new_uid(), told)

    async def _mpps_notice(self, to: Device, job: Job) -> int:
        return await self._peer.event(
            to, MPPS_NOTIFICATION_CLASS, MPPS_NOTIFICATION_CLASS, job.body["sop_uid"], job.body["event"], None
        )

    async def _mpps_forward(self, to: Device, job: Job) -> int:
        """Create it there when it is not there yet, and bring it up to what it is here."""
        pk = job.body["performed"]
        async with self._database.connection() as connection:
            row = await _mpps.by_pk.one(connection, pk=pk)
            sent = await _mpps.forwarding.one(connection, pk=pk, ae_title=to.ae_title)
        if row is None or (sent is not None and sent["version"] >= row["version"]):
            return 0
        held, uid, charset = row["attributes"], row["sop_uid"], row["charset"]
        code = 0
        if sent is None:
            code = await self._peer.create(to, MPPS_CLASS, uid, begun(held), charset)
            code = 0 if code == DUPLICATE else code
        if status_class(code) is StatusClass.FAILURE:
            return code
        await self._forwarded(pk, to, 1)
        if row["version"] > 1:
            code = await self._peer.set(to, MPPS_CLASS, uid, settable(held), charset)
        if status_class(code) is not StatusClass.FAILURE:
            await self._forwarded(pk, to, row["version"])
        return code

    async def _forwarded(self, pk: int, to: Device, version: int) -> None:
        async with self._database.connection() as connection:
            await _mpps.forwarded.run(connection, pk=pk, ae_title=to.ae_title, version=version)


# Of a performed step: what its end says, and is not known when it begins.
_AT_THE_END: Final = (0x00400250, 0x00400251, 0x00400340)


def begun(held: JsonDataset) -> JsonDataset:
    """A performed step as its N-CREATE was, as far as that can be told."""
    empty = {hex_key(tag): {"vr": vr_of(tag)} for tag in _AT_THE_END}
    return {**held, **empty, **element(STATUS, PerformedStatus.IN_PROGRESS.value)}


def settable(held: JsonDataset) -> JsonDataset:
    """What an N-SET may say of it (table F.7.2-1)."""
    return {name: one for name, one in held.items() if (row := TABLE.get(int(name, 16))) is not None and row.settable}
