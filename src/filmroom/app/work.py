"""What goes on behind the doors: sending, forwarding, telling, tidying."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from filmroom.app.core import Core, compression_rounds, deleting, process_name, webhooks_of
from filmroom.app.wire import Wire, sender_of
from filmroom.archive.commitment import REPORT
from filmroom.archive.commitment_asked import ASK
from filmroom.archive.compression_rounds import COMPRESS
from filmroom.archive.compression_rounds import QUEUE as COMPRESSION
from filmroom.archive.delete import RECLAIM
from filmroom.archive.export import EXPORT
from filmroom.archive.export_work import ExportWork
from filmroom.archive.lanes import Lanes
from filmroom.archive.quiet import QuietWatch
from filmroom.archive.recovery import forget_versions
from filmroom.archive.sending import SEND
from filmroom.archive.sending_rules_work import Forwarding
from filmroom.archive.sending_work import SendingWork
from filmroom.base.ids import new_uid
from filmroom.db.feed import prune
from filmroom.db.jobs import Worker
from filmroom.db.repeats import Repeats
from filmroom.integration.webhooks_work import WebhookWork
from filmroom.ops.upkeep import Upkeep
from filmroom.security.audit_outbox import AuditOutbox
from filmroom.security.principals import SYSTEM
from filmroom.settings import BadSetting
from filmroom.workflow.availability import CompletenessReader
from filmroom.workflow.housekeeping import Housekeeping
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mpps_derived import DerivedSteps
from filmroom.workflow.notices import Notices
from filmroom.workflow.ups_provider import ProviderStatus

if TYPE_CHECKING:
    from filmroom.net.notify.syslog import SyslogSender


class Part(Protocol):
    """What has a life of its own behind the doors."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@asynccontextmanager
async def open_work(core: Core, wire: Wire) -> AsyncIterator[None]:
    """All of it, begun in order and ended in the opposite one."""
    async with AsyncExitStack() as closing:
        for part in _parts(core, wire):
            closing.push_async_callback(part.stop)
            await part.start()
        yield


def _parts(core: Core, wire: Wire) -> Iterator[Part]:
    """Each is made when those before it have begun."""
    database, feed, clock = core.database, core.feed, core.clock
    yield QuietWatch(database, clock, core.settings.archive.quiet_s)
    yield core.documents
    yield _lanes(core, wire)
    hours = core.settings.workflow.notice_retry_hours
    if core.settings.workflow.event_reports:
        yield ProviderStatus(database, clock, retry_hours=hours)
    yield Forwarding(database, feed, core.retrieve, core.blobs, core.devices, core.sending, clock)
    yield CompletenessReader(database, feed, clock, retry_hours=core.settings.workflow.notice_retry_hours)
    performed = PerformedSteps(database, clock, retry_hours=core.settings.workflow.notice_retry_hours)
    yield DerivedSteps(database, feed, performed)
    webhooks = WebhookWork(database, feed, webhooks_of(core), clock, name=process_name())
    yield webhooks
    yield _upkeep(core, webhooks)
    if (repository := _audit_repository(core)) is not None:
        yield repository
    yield Worker(database, {RECLAIM: deleting(core).reclaim}, clock, name=process_name(), concurrency=1)
    yield _exporting(core, wire)
    handlers = {COMPRESS: compression_rounds(core).page}
    yield Worker(database, handlers, clock, name=process_name(), queue=COMPRESSION, concurrency=1)


def _exporting(core: Core, wire: Wire) -> Worker:
    """What is taken out to files, and de-identified to devices."""
    sender, _, _ = sender_of(core, wire)
    work = ExportWork(
        core.database,
        core.retrieve,
        core.pixels,
        core.devices,
        core.exports.projects,
        core.clock,
        root=core.settings.data / "exports",
        sender=sender,
    )
    handlers = {EXPORT: work.run}
    return Worker(core.database, handlers, core.clock, name=process_name(), queue=EXPORT, concurrency=1)


def _lanes(core: Core, wire: Wire) -> Lanes:
    """What goes out to other nodes."""
    from filmroom.net.dimse.commit_scu import CommitmentCaller
    from filmroom.net.dimse.notices import NoticeCaller

    settings = core.settings.dimse
    sender, limits, reactor = sender_of(core, wire)
    caller = CommitmentCaller(
        core.asked_commitments,
        calling_ae=settings.ae_title,
        limits=limits,
        reactor=reactor,
        wait_s=core.settings.delivery.commitment_wait_s,
        certificates=wire.certificates,
        recorder=wire.recorder,
    )
    work = SendingWork(core.database, core.retrieve, core.devices, sender, core.asked_commitments, core.clock)
    handlers = {
        SEND: work.send,
        REPORT: core.commitments.reporter(caller),
        ASK: core.asked_commitments.asker(caller),
        **Notices(
            core.database,
            core.devices,
            NoticeCaller(
                calling_ae=settings.ae_title,
                limits=limits,
                reactor=reactor,
                certificates=wire.certificates,
                recorder=wire.recorder,
            ),
            core.clock,
            ae_title=settings.ae_title,
            new_uid=lambda: new_uid(lambda: uuid.uuid4().int),
        ).handlers(),
    }
    return Lanes(core.database, core.clock, handlers, name=process_name())


def _audit_repository(core: Core) -> "SyslogSender | None":
    """Where audit messages are sent, if anywhere."""
    from filmroom.net.notify.syslog import SyslogSender, tls_context

    rules = core.settings.security
    if not rules.syslog_host:
        return None
    try:
        tls_context(rules.syslog_ca, rules.syslog_certificate, rules.syslog_key)
    except OSError as error:
        raise BadSetting(f"security.syslog_*: {error}") from error
    return SyslogSender(
        AuditOutbox(core.database, source=core.settings.dimse.ae_title),
        rules.syslog_host,
        rules.syslog_port,
        tls=lambda: tls_context(rules.syslog_ca, rules.syslog_certificate, rules.syslog_key),
        name=os.uname().nodename,
    )


def _upkeep(core: Core, webhooks: WebhookWork) -> Upkeep:
    """What is forgotten in time."""
    settings = core.settings.feed
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "audit records": core.keeping.forget,
        "compression": compression_rounds(core).advance,
        "facts": lambda: prune(core.database, core.clock.now() - timedelta(days=settings.keep_days)),
        "idempotency keys": Repeats(core.database, core.clock).prune,
        "exported files": core.exports.prune,
        "failed sign-ins": core.people.attempts.prune,
        "webhook log": lambda: webhooks.prune(settings.webhook_log_days),
        "finished work": Housekeeping(core.database, core.settings.workflow, core.clock).round,
    }
    work["replaced versions"] = lambda: forget_versions(core.database, core.online, core.clock)
    if days := core.settings.archive.quarantine_days:
        work["quarantine"] = lambda: core.quarantine.expire(SYSTEM, days=days)
    return Upkeep(work)
