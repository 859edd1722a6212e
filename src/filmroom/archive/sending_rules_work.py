"""Sends on what rules say: follows the feed by a cursor, and writes each delivery in the transaction that moves it.

So nothing is sent on twice and nothing is forgotten, whatever is killed when; and what a rule sends is queued, kept and
shown like every other delivery.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import structlog

from filmroom.archive.devices import Devices
from filmroom.archive.retrieve import Located, Retrieve
from filmroom.archive.sending import Sending
from filmroom.archive.sending_rules import ARRIVAL, COMPLETE, Forward, ForwardRule, decide, wanted
from filmroom.archive.sending_rules_book import READER, read_rules
from filmroom.archive.sending_rules_read import candidates
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Unavailable
from filmroom.base.facts import Fact, InstancesStored, StudyComplete
from filmroom.db import feed
from filmroom.db.background import Background
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.security.principals import SYSTEM
from filmroom.security.principals import job as job_principal
from filmroom.storage.blobs import Blobs

_sql = load("filmroom.archive", "sending_rules.sql")
log = structlog.get_logger()

# Facts dealt with in one transaction: they hold thousands of objects at most.
AT_ONCE: Final = 50
WAIT_S: Final = 5.0
# One process works at it at a time; the others find nothing to do.
LOCK: Final = 0x46575244


class Forwarding(Background):
    """Follows the feed and orders deliveries."""

    def __init__(
        self,
        database: Database,
        watch: FeedWatch,
        retrieve: Retrieve,
        blobs: Blobs,
        devices: Devices,
        sending: Sending,
        clock: Clock,
    ) -> None:
        self._database = database
        self._watch = watch
        self._retrieve = retrieve
        self._blobs = blobs
        self._devices = devices
        self._sending = sending
        self._clock = clock

    async def catch_up(self) -> int:
        """Deal with all that has happened; the number of the last fact."""
        while (seen := await self._some()) is None:
            pass
        return seen

    async def _some(self) -> int | None:
        """The number of the last fact when there is nothing more to do, else None."""
        async with self._database.connection() as connection:
            rules = [rule for rule in await read_rules(connection) if rule.enabled]
            seen = await feed.cursor(connection, READER) if rules else 0
        if not rules:
            return await feed.head(self._database)
        facts = await feed.read(self._database, seen, AT_ONCE)
        if not facts:
            return seen
        forwards = await self._decided(rules, [each.fact for each in facts])
        async with self._database.transaction() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return seen
            if await feed.cursor(tx, READER) != seen:
                return None
            for each in forwards:
                await self._send(tx, each)
            await feed.advance(tx, READER, facts[-1].seq)
        return None

    async def _decided(self, rules: Sequence[ForwardRule], facts: Sequence[Fact]) -> list[Forward]:
        who, now = job_principal("forward", SYSTEM), self._clock.now().astimezone()
        found: list[Forward] = []
        for event, studies, instances in (
            (ARRIVAL, (), [uid for each in facts if isinstance(each, InstancesStored) for uid in each.sop_uids]),
            (COMPLETE, _complete(facts), ()),
        ):
            concerned = [rule for rule in rules if rule.event == event]
            if not concerned or not (studies or instances):
                continue
            items: list[Located] = await self._retrieve.locate(who, studies=studies, instances=instances)
            found += decide(concerned, event, await candidates(self._blobs, items, wanted(concerned)), now)
        return found

    async def _send(self, tx: Connection, forward: Forward) -> None:
        """Order what did not go there by rule before."""
        rule, title = forward.rule, forward.destination
        pks = [each.pk for each in forward.objects]
        rows = await _sql.take.all(tx, ae_title=title, rule=rule.name, pks=pks)
        new = {row["instance_pk"] for row in rows}
        items = [each for each in forward.objects if each.pk in new]
        if not items:
            return
        pk = await self._sending.place(
            tx,
            SYSTEM,
            title,
            await self._devices.find(title),
            items,
            priority=rule.priority,
            commit=rule.commit,
            reason=f"rule: {rule.name}",
            due=self._clock.now() + timedelta(seconds=rule.delay_s),
        )
        await _sql.placed.run(tx, ae_title=title, pks=sorted(new), delivery_pk=pk)
        log.info("sent on by rule", rule=rule.name, destination=title, objects=len(items), delivery=pk)

    async def _run(self) -> None:
        while True:
            try:
                await self._watch.wait(await self.catch_up(), WAIT_S)
            except Unavailable as fault:
                log.warning("nothing is sent on by rule now", reason=str(fault))
                await asyncio.sleep(1)
            except FilmroomError as fault:
                log.error("nothing is sent on by rule", error=type(fault).__name__, reason=str(fault))
                await asyncio.sleep(WAIT_S)
            except Exception:
                log.exception("nothing is sent on by rule")
                await asyncio.sleep(WAIT_S)
            await asyncio.sleep(0.1)  # what arrives meanwhile goes together


def _complete(facts: Iterable[Fact]) -> list[str]:
    return list(dict.fromkeys(each.study_uid for each in facts if isinstance(each, StudyComplete)))
