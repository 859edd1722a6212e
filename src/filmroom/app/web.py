"""The web door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from filmroom.app.core import Core, compression_rounds, deleting, webhooks_of
from filmroom.app.wire import Wire
from filmroom.archive.changes import Changes
from filmroom.archive.commitment_web import WebCommitments
from filmroom.archive.devices import Device
from filmroom.archive.listing import Listing
from filmroom.archive.retrieve_frames import FrameReader
from filmroom.db.feed_tail import FeedTail
from filmroom.db.repeats import Repeats
from filmroom.ops.figures import Figures
from filmroom.ops.work import Work
from filmroom.workflow.availability import Availability
from filmroom.workflow.debugger import WorklistDebugger
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mwl import Worklist
from filmroom.workflow.orders import Orders
from filmroom.workflow.sight import expected_in_sight
from filmroom.workflow.ups import Workitems
from filmroom.workflow.ups_events import Subscriptions


@asynccontextmanager
async def open_web(core: Core, wire: Wire) -> AsyncIterator[int]:
    from filmroom.net.dimse.probe import Step, probe
    from filmroom.net.dimse.scu import Peer
    from filmroom.net.web.app import build_app
    from filmroom.net.web.ports import WebServices
    from filmroom.net.web.server import WebServer

    async def database_answers() -> None:
        async with core.database.connection() as connection:
            await connection.fetchval("SELECT 1")

    async def store_takes() -> None:
        await asyncio.to_thread(core.online.space.ask)
        core.online.space.check()

    tail = FeedTail(core.database, core.feed)

    def tested(device: Device) -> AsyncIterator[Step]:
        to = Peer.of(device, wire.certificates, "echo")
        return probe(to, calling_ae=core.settings.dimse.ae_title, recorder=wire.recorder)

    services = WebServices(
        deleting=deleting(core),
        listing=Listing(core.database, core.query),
        changes=Changes(core.database, tail, expected=expected_in_sight),
        work=Work(core.database, core.clock),
        sending=core.sending,
        exports=core.exports,
        webhooks=webhooks_of(core),
        repeats=Repeats(core.database, core.clock),
        figures=Figures(core.database, core.online.root, core.clock, wire.certificates.left),
        tail=tail,
        workitems=Workitems(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        subscriptions=Subscriptions(
            core.database,
            core.clock,
            retry_hours=core.settings.workflow.notice_retry_hours,
            event_reports=core.settings.workflow.event_reports,
        ),
        orders=Orders(core.database, core.clock),
        worklist=Worklist(core.database, core.clock, keep_values=core.settings.workflow.keep_query_values),
        worklist_debugger=WorklistDebugger(core.database, core.clock),
        performed=PerformedSteps(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours),
        availability=Availability(core.database, core.clock),
        commitments=core.commitments,
        web_commitments=WebCommitments(
            core.database, core.settings.delivery, core.clock, ae_title=core.settings.dimse.ae_title
        ),
        settings=core.settings,
        clock=core.clock,
        accounts=core.accounts,
        sessions=core.people.sessions,
        tokens=core.tokens,
        people=core.people,
        keeping=core.keeping,
        query=core.query,
        retrieve=core.retrieve,
        frames=FrameReader(core.retrieve, core.blobs, core.pixels),
        documents=core.documents,
        ingest=core.ingest,
        blobs=core.blobs,
        pixels=core.pixels,
        devices=core.devices,
        local_aes=core.local_aes,
        callers=core.callers,
        live=core.live,
        quarantine=core.quarantine,
        corrections=core.corrections,
        rules=core.rule_book,
        forward_rules=core.forward_rules,
        compression=compression_rounds(core),
        recordings=core.recordings,
        device_test=tested,
        checks={"database": database_answers, "store": store_takes},
    )
    server = WebServer(build_app(services), core.settings.web)
    await tail.start()
    port = await server.start()
    try:
        yield port
    finally:
        await server.stop()
        await tail.stop()
