"""Jobs as whoever looks after them sees them: what waits, what runs, what failed for good and why."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from filmroom.archive.export import EXPORT
from filmroom.archive.sending import SEND
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound
from filmroom.db import jobs
from filmroom.db.jobs import Depth, JobView
from filmroom.db.pool import Database
from filmroom.security.policy import Action, demand, may, view_for
from filmroom.security.principals import Principal

log = structlog.get_logger()

STATES = ("waiting", "running", "done", "dead", "cancelled")
# Jobs that carry out something larger, which must change with them.
PARTS = {SEND: "a delivery: act on /api/v1/deliveries instead", EXPORT: "an export: act on /api/v1/exports instead"}


class WrongState(FilmroomError):
    """The job is not in a state in which this can be done."""


class Work:
    """Looking at jobs, and acting on them. Whoever may not administer sees and calls off their own only."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self,
        who: Principal,
        *,
        states: Sequence[str] | None = None,
        kind: str | None = None,
        queue: str | None = None,
        principal: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[JobView]:
        """Jobs, newest first, from below number ``before``."""
        if not may(who, Action.ADMINISTER):
            principal = who.id
        found = await jobs.page(
            self._database,
            before=before,
            states=states,
            kind=kind,
            queue=queue,
            principal=principal,
            limit=limit,
        )
        return [_seen(each, who) for each in found]

    async def get(self, who: Principal, pk: int) -> JobView:
        """One job. Raises NotFound."""
        found = await jobs.page(self._database, pk=pk, principal=None if may(who, Action.ADMINISTER) else who.id)
        if not found:
            raise NotFound(f"no job has the number {pk}")
        return _seen(found[0], who)

    async def cancel(self, who: Principal, pk: int) -> JobView:
        """Call a job off; one that runs is interrupted within a third of its lease. Raises NotFound, WrongState."""
        job = await self._whole(who, pk)
        if not await jobs.cancel(self._database, pk, self._clock.now()):
            raise WrongState(f"the job is {job.state}: there is nothing to call off")
        return await self._told(who, pk, "job called off")

    async def retry(self, who: Principal, pk: int) -> JobView:
        """Do a dead or cancelled job again from the beginning. Raises NotFound, WrongState, Forbidden."""
        demand(who, Action.ADMINISTER)
        job = await self._whole(who, pk)
        if not await jobs.revive(self._database, pk, self._clock.now()):
            raise WrongState(f"the job is {job.state}: only one that is dead or cancelled is done again")
        return await self._told(who, pk, "job queued again")

    async def set_priority(self, who: Principal, pk: int, priority: int) -> JobView:
        """Let a waiting job go before others, or after them. Raises NotFound, WrongState, Forbidden."""
        demand(who, Action.ADMINISTER)
        job = await self._whole(who, pk)
        if not await jobs.set_priority(self._database, pk, priority):
            raise WrongState(f"the job is {job.state}: its turn has come already")
        return await self._told(who, pk, "job has another priority")

    async def depths(self, who: Principal) -> Sequence[Depth]:
        """What is open in each queue."""
        demand(who, Action.VIEW if may(who, Action.VIEW) else Action.ADMINISTER)
        return await jobs.depths(self._database)

    async def _whole(self, who: Principal, pk: int) -> JobView:
        job = await self.get(who, pk)
        if job.kind in PARTS:
            raise WrongState(f"the job is part of {PARTS[job.kind]}")
        return job

    async def _told(self, who: Principal, pk: int, what: str) -> JobView:
        log.info(what, job=pk, by=who.id)
        return await self.get(who, pk)


def _seen(job: JobView, who: Principal) -> JobView:
    """Whoever sees a part of the archive is not told what other people's jobs are about."""
    if job.principal == who.id or not view_for(who, Action.ADMINISTER).narrow:
        return job
    return replace(job, body={}, progress=None)


def explain(last_error: str | None) -> str | None:
    """A job's last error in plain words: the class of the fault is told by the sentence written for operators."""
    if not last_error:
        return None
    name, colon, detail = last_error.partition(": ")
    sentence = _sentences().get(name) if colon else None
    if sentence is None:
        return last_error
    return f"{sentence} ({detail})" if detail and detail != sentence else sentence


def _sentences() -> dict[str, str]:
    return {kind.__name__: (kind.__doc__ or "").strip().splitlines()[0] for kind in _faults(FilmroomError)}


def _faults(base: type[FilmroomError]) -> Iterator[type[FilmroomError]]:
    for kind in base.__subclasses__():
        if kind.__doc__:
            yield kind
        yield from _faults(kind)
