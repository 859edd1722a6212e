"""Rounds of compression through the archive: each rule goes once over every object that is old enough, page by page.

A page is a job, so what is done and what came of it can be seen and called off. Rules of compression at receipt go
round too: they find what could not be compressed when it came, and what came before the rule did.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from filmroom.archive.compression import Candidate, Compressor
from filmroom.archive.compression_model import Chosen, When
from filmroom.archive.rules import Compressions
from filmroom.archive.sending_hours import opening
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.db import jobs
from filmroom.db.jobs import Job, Report
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.headertap import HeaderTap
from filmroom.dicom.indextags import CHARACTER_SET
from filmroom.dicom.transfersyntax import lookup
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import LOCAL

_sql = load("filmroom.archive", "compression.sql")
log = structlog.get_logger()

COMPRESS: Final = "compress"
QUEUE: Final = "compression"
PAGE: Final = 500
# Pages of all rules that may wait or run: the archive is gone through as fast as this is worked off.
MAX_PAGES: Final = 20
# A row gets its number before it is committed; none is younger than this when its number has been passed.
YOUNGEST: Final = timedelta(minutes=10)
IDLE_S: Final = 60.0
WHEN_BUSY: Final = timedelta(minutes=5)
_PIXEL_HEADER_BYTES: Final = 12


class InForce(Protocol):
    """The rules of storing, as far as rounds need them: archive.rules.StoreRules."""

    @property
    def compressions(self) -> Compressions: ...


class Lossy(Protocol):
    """Makes another object, with less in it."""

    async def derive(self, found: Candidate, chosen: Chosen) -> int:
        """Bytes of the new object. Raises Unavailable or NoSpace: then it may be tried again."""
        ...


@dataclass(slots=True)
class Tally:
    """What came of a page so far."""

    looked_at: int = 0
    compressed: int = 0
    left: int = 0
    before_bytes: int = 0
    after_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What a rule did to the archive. ``state`` is done, left or making."""

    rule: str
    state: str
    objects: int
    received_bytes: int
    made_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a rule left objects as they are."""

    rule: str
    reason: str
    objects: int


class Rounds:
    """Cuts pages (``advance``) and works them off (``page``)."""

    def __init__(
        self, database: Database, blobs: Blobs, rules: InForce, compressor: Compressor, lossy: Lossy, clock: Clock
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._rules = rules
        self._compressor = compressor
        self._lossy = lossy
        self._clock = clock

    async def totals(self, who: Principal) -> tuple[list[Total], list[Reason]]:
        """What compression did, by rule, and why it left what it left. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            totals = [Total(**row) for row in await _sql.totals.all(connection)]
            return totals, [Reason(**row) for row in await _sql.reasons.all(connection)]

    async def advance(self) -> int:
        """Cut the next pages of every rule; how many."""
        return sum([await self._advance(chosen) for chosen in self._rules.compressions.all if chosen.how.target])

    async def _advance(self, chosen: Chosen) -> int:
        now, pages = self._clock.now(), 0
        age = timedelta(days=chosen.how.after_days) if chosen.how.when is When.LATER else YOUNGEST
        before = now - max(age, YOUNGEST)
        while True:
            async with self._database.transaction() as tx:
                after: int = await _sql.reached.value(tx, rule=chosen.rule, revision=self._rules.compressions.revision)
                (page,) = await _sql.page.all(tx, after=after, before=before, limit=PAGE)
                if not page["n"] or await _sql.open_jobs.value(tx, kind=COMPRESS) >= MAX_PAGES:
                    return pages
                body = {"rule": chosen.rule, "after": after, "upto": page["last"]}
                await self._enqueue(tx, chosen, body, now)
                await _sql.reach.run(tx, rule=chosen.rule, reached=page["last"])
            pages += 1

    async def _enqueue(self, tx: Any, chosen: Chosen, body: dict[str, Any], at: datetime) -> None:
        due = opening(chosen.how.hours, at.astimezone()) or at
        await jobs.add(tx, COMPRESS, body, at=at, due=due, queue=QUEUE, max_attempts=1000)

    async def page(self, job: Job, report: Report) -> None:
        """The job: every object of a page that the rule is for. Cut off, it begins again and finds less to do."""
        chosen = next((each for each in self._rules.compressions.all if each.rule == job.body["rule"]), None)
        if chosen is None:
            await report({"given_up": "the rule is gone"})
            return
        async with self._database.connection() as connection:
            rows = await _sql.candidates.all(
                connection,
                after=job.body["after"],
                upto=job.body["upto"],
                rule=chosen.rule,
                target=chosen.how.target,
                store=LOCAL,
            )
        tally = Tally(**(job.body.get("tally") or {}))
        for row in rows:
            if due := await self._not_now(chosen):
                await self._go_on_later(job, chosen, row["pk"] - 1, due, tally)
                break
            await self._one(Candidate.of(row), chosen, tally)
            if tally.looked_at % 20 == 0:
                await report(asdict(tally))
        await report(asdict(tally))

    async def _one(self, found: Candidate, chosen: Chosen, tally: Tally) -> None:
        tally.looked_at += 1
        if not chosen.how.takes(found.transfer_syntax):
            return
        if await asyncio.to_thread(self._decided, found) != chosen:
            return
        if chosen.how.lossy:
            after = await self._lossy.derive(found, chosen)
            tally.compressed += after > 0
            tally.left += after == 0
            tally.before_bytes += found.size_bytes
            tally.after_bytes += after or found.size_bytes
            return
        made = await self._compressor.compress(found, chosen)
        tally.compressed += not made.reason
        tally.left += bool(made.reason)
        tally.before_bytes += made.before_bytes
        tally.after_bytes += made.after_bytes

    def _decided(self, found: Candidate) -> Chosen | None:
        """What the rules say of an object, by its stored header; blocks. None for one that cannot be read."""
        where, deflated = found.dataset, lookup(found.transfer_syntax).deflated
        length = where.size_bytes if deflated else min(where.size_bytes, found.header_bytes + _PIXEL_HEADER_BYTES)
        compressions = self._rules.compressions
        try:
            tap = HeaderTap(found.transfer_syntax, compressions.tags | {CHARACTER_SET})
            tap.feed(self._blobs.read_sync(where, 0, length))
            return compressions.of_stored(tap.finish(), found.source, self._clock.now().astimezone())
        except FilmroomError as fault:
            log.warning("an object cannot be asked about", instance=found.pk, error=type(fault).__name__)
            return None

    async def _not_now(self, chosen: Chosen) -> datetime | None:
        """When to go on, if not now: the hours of the rule are over, or objects come in."""
        now = self._clock.now()
        opens = opening(chosen.how.hours, now.astimezone())
        if opens is not None and opens > now:
            return opens
        if chosen.how.idle:
            async with self._database.connection() as connection:
                if await _sql.stored_since.value(connection, since=now - timedelta(seconds=IDLE_S)):
                    return now + WHEN_BUSY
        return None

    async def _go_on_later(self, job: Job, chosen: Chosen, after: int, due: datetime, tally: Tally) -> None:
        body = {"rule": chosen.rule, "after": after, "upto": job.body["upto"], "tally": asdict(tally)}
        async with self._database.transaction() as tx:
            await jobs.add(tx, COMPRESS, body, at=self._clock.now(), due=due, queue=QUEUE, max_attempts=1000)
