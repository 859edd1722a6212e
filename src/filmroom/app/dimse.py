"""The DICOM door."""

import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from filmroom.app.core import Core, process_name
from filmroom.app.wire import Wire
from filmroom.archive.retrieve_frames import FrameReader
from filmroom.archive.retrieve_parts import FrameExtraction, WithoutBulk
from filmroom.base.errors import FilmroomError
from filmroom.base.ids import new_uid
from filmroom.workflow.availability import Availability
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mwl import Worklist
from filmroom.workflow.ups import Workitems
from filmroom.workflow.ups_events import Subscriptions

if TYPE_CHECKING:
    from filmroom.net.dimse.scp.parts import Parts


class PortTaken(FilmroomError):
    """A listener's address is in use or not ours; another Filmroom may be running."""


@asynccontextmanager
async def open_dimse(core: Core, wire: Wire) -> AsyncIterator[int]:
    # Listeners are imported where they are started: a command that needs none starts faster.
    from filmroom.net.dimse.listener import DimseListener, DimseServices

    services = DimseServices(
        certificates=wire.certificates,
        traffic=wire.traffic,
        identify=core.people.identify,
        archives=core.devices.list,
        recorder=wire.recorder,
        dress=core.keeping.book.dress,
        parts=_parts_of(core),
        ingest=core.ingest,
        query=core.query,
        retrieve=core.retrieve,
        devices=core.devices,
        local_aes=core.local_aes,
        callers=core.callers,
        commitments=core.commitments,
        asked_commitments=core.asked_commitments,
        worklist=Worklist(core.database, core.clock, keep_values=core.settings.workflow.keep_query_values),
        performed=PerformedSteps(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        workitems=Workitems(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        subscriptions=Subscriptions(
            core.database,
            core.clock,
            retry_hours=core.settings.workflow.notice_retry_hours,
            event_reports=core.settings.workflow.event_reports,
        ),
        notified=Availability(core.database, core.clock),
    )
    listener = DimseListener(core.settings.dimse, services, clock=core.clock)
    await _listening(listener.start(), "DICOM", core.settings.dimse.host, core.settings.dimse.port)
    wire.live.add_listener(listener)
    await core.commitments.start(listener.open_lines, name=process_name())
    try:
        yield listener.port
    finally:
        await core.commitments.stop()
        await listener.stop()
        await core.callers.stop()


def _parts_of(core: Core) -> "Parts":
    """Retrieval in part (PS3.4 annex Y and Z)."""
    from filmroom.net.dimse.scp.parts import Parts

    frames = FrameReader(core.retrieve, core.blobs, core.pixels)
    extraction = FrameExtraction(core.retrieve, frames, core.clock, lambda: new_uid(lambda: uuid.uuid4().int))
    return Parts(WithoutBulk(core.retrieve), extraction)


async def _listening(start: Awaitable[None], what: str, host: str, port: int) -> None:
    try:
        await start
    except OSError as error:
        raise PortTaken(
            f"{what} cannot listen on {host}:{port}: {error.strerror or error}; FILMROOM_DICOM_PORT names another"
        ) from error
