"""Recordings of associations: kept for days within limits, looked into, and written as one file for a vendor."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson
import structlog

from filmroom.archive.sight_lists import demand_whole
from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.settings import RecordingSettings

_sql = load("filmroom.archive", "recordings.sql")
log = structlog.get_logger()

# A standing recording is written every five minutes; one that was not for this long has nobody to end it.
ORPHANED_AFTER = timedelta(minutes=15)

# Values of query keys are patient data: nobody records them for longer than a working day.
MAX_VALUE_HOURS = 12.0

MAX_LISTED = 1000
_FAST = 1  # zlib: most of the gain at a third of the time


class NoSuchRecording(NotFound):
    """There is no such recording; it may have been deleted by age or size."""


class Told(Protocol):
    """A recording in words, as the DIMSE edge hands it in."""

    @property
    def key(self) -> str: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def outgoing(self) -> bool: ...
    @property
    def standing(self) -> bool: ...
    @property
    def peer(self) -> str: ...
    @property
    def calling_ae(self) -> str: ...
    @property
    def called_ae(self) -> str: ...
    @property
    def tls(self) -> bool: ...
    @property
    def outcome(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def messages(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def body(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The head of a recording."""

    pk: int
    opened_at: datetime
    outgoing: bool
    standing: bool
    peer: str
    calling_ae: str
    called_ae: str
    tls: bool
    outcome: str
    reason: str
    messages: int
    failures: int
    bytes_in: int
    bytes_out: int
    seconds: float


_FIELDS = (
    *("key", "opened_at", "outgoing", "standing", "peer", "calling_ae", "called_ae", "tls", "outcome", "reason"),
    *("messages", "failures", "bytes_in", "bytes_out", "seconds"),
)


class Recordings:
    """Keeps what the recorder writes; shows it to administrators."""

    def __init__(self, database: Database, clock: Clock, limits: RecordingSettings) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits

    # For the recorder

    async def put(self, written: Sequence[Told]) -> None:
        """Write, or write anew what was written while it stood."""
        async with self._database.transaction() as tx:
            for each in written:
                body = zlib.compress(orjson.dumps(each.body), _FAST)
                values = {name: _storable(getattr(each, name)) for name in _FIELDS}
                await _sql.put_recording.run(tx, **values, size_bytes=len(body), body=body)

    async def values_wanted(self) -> Iterable[str]:
        """AE titles whose query keys are recorded with their values now."""
        async with self._database.connection() as connection:
            rows = await _sql.values_wanted.all(connection, now=self._clock.now())
        return [row["ae_title"] for row in rows]

    async def sweep(self) -> int:
        """Delete what is too old, too many or too much; how many."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await _sql.orphaned.run(tx, before=now - ORPHANED_AFTER)
            old = await _sql.delete_old.run(tx, before=now - timedelta(days=self._limits.keep_days))
            over = await _sql.delete_over.run(tx, keep=self._limits.keep_count, most_bytes=self._limits.keep_bytes)
        count = sum(int(tag.rsplit(" ", 1)[-1]) for tag in (old, over))
        if count:
            log.info("association recordings deleted", count=count)
        return count

    # For people

    async def list(
        self,
        who: Principal,
        *,
        ae_title: str | None = None,
        failed: bool = False,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Recorded]:
        """Newest first; ``before`` is the number to go on from. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            rows = await _sql.list_recordings.all(
                connection, ae_title=ae_title, failed=failed, before=before, limit=min(limit, MAX_LISTED)
            )
        return [_recorded(row) for row in rows]

    async def show(self, who: Principal, pk: int, *, values: bool = False) -> tuple[Recorded, dict[str, Any]]:
        """A recording with what was said; recorded values only when asked for. Raises NoSuchRecording, Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            row = await _sql.get_recording.one(connection, pk=pk)
        if row is None:
            raise NoSuchRecording(f"there is no recording {pk}")
        if values:
            demand_whole(who, Action.ADMINISTER, "recorded values are of any patient")
        body: dict[str, Any] = orjson.loads(zlib.decompress(row["body"]))
        if not values:
            without_values(body)
        return _recorded(row), body

    async def record_values(self, who: Principal, ae_title: str, hours: float) -> datetime:
        """Record the values of one device's query keys too, for ``hours``, 0 to end it; until when.

        Raises Forbidden, ValueError.
        """
        demand(who, Action.ADMINISTER)
        demand_whole(who, Action.ADMINISTER, "recorded values are of any patient")
        if not 0 <= hours <= MAX_VALUE_HOURS:
            raise ValueError(f"values can be recorded for 0 to {MAX_VALUE_HOURS:.0f} hours")
        until = self._clock.now() + timedelta(hours=hours)
        async with self._database.transaction() as tx:
            await _sql.want_values.run(tx, ae_title=ae_title, until=until, asked_by=who.name)
        log.warning("query values are recorded", ae_title=ae_title, until=until.isoformat(), asked_by=who.name)
        return until


def without_values(part: Any) -> None:
    """Take the recorded values of query keys out, in place."""
    if isinstance(part, dict):
        part.pop("secret_values", None)
        for each in part.values():
            without_values(each)
    elif isinstance(part, list):
        for each in part:
            without_values(each)


def _storable(value: Any) -> Any:
    """PostgreSQL's text holds no NUL; an AE title of a hostile peer might."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _recorded(row: Mapping[str, Any]) -> Recorded:
    names = Recorded.__dataclass_fields__
    renamed = {"messages": "n_messages", "failures": "n_failures"}
    return Recorded(**{name: row[renamed.get(name, name)] for name in names})
