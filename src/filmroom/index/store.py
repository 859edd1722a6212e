"""The rows of what is filed: the only file that writes patients, studies, series, instances and locations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from filmroom.base.errors import FilmroomError, NoSpace, Retry, Unavailable
from filmroom.db.pool import LOST, Connection
from filmroom.db.queries import load

_sql = load("filmroom.index", "ingest.sql")

# SQLSTATEs: file_objects met a key that was remembered and is not good any more; serialisation failure, deadlock.
_STALE = "FR001"
_COLLIDED = {"40001", "40P01"}
_DISK_FULL = "53100"
# Classes: data exception, constraint violation, program limit exceeded. The batch's own values are at fault.
_REFUSALS = {"22", "23", "54"}


class StaleKeys(FilmroomError):
    """A series that was remembered is gone or takes no objects: ask again with full records."""

    retry = Retry.SAFE


class Collided(FilmroomError):
    """Another transaction was in the way: nothing was written, the same may be tried again."""

    retry = Retry.SAFE


class NotIndexable(FilmroomError):
    """The database refuses a value of an object."""


class NewInstance(NamedTuple):
    """One object to be filed; the fields are the columns of ``instance`` and ``location``.

    ``slot`` is the place (from 1) of its series in the batch. A tuple, because batches are turned into columns.
    """

    slot: int
    sop_uid: str
    sop_class: str
    transfer_syntax: str
    instance_number: int | None
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    frames: int | None
    content_date: str
    content_time: str
    attributes: Any
    dataset_offset: int
    header_bytes: int
    size_bytes: int
    digest: bytes
    source: str
    key: str
    start: int
    blob_digest: bytes


@dataclass(frozen=True, slots=True)
class SeriesKeys:
    """A series as rows know it."""

    study_pk: int
    series_pk: int


@dataclass(frozen=True, slots=True)
class BatchSeries:
    """A series of a batch: its keys where they are known, or else its full record as JSON object."""

    study_uid: str
    series_uid: str
    keys: SeriesKeys | None
    record: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Group:
    """Objects of a batch that one source sent into one series that is known, all of one SOP class."""

    study_uid: str
    series_uid: str
    source: str
    sop_class: str
    keys: SeriesKeys
    sop_uids: Sequence[str]
    size_bytes: int

    def fact(self) -> dict[str, Any]:
        """The body of InstancesStored."""
        return {
            "study_uid": self.study_uid,
            "series_uid": self.series_uid,
            "sop_uids": self.sop_uids,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series that was looked up or made (``new``) for a batch."""

    keys: SeriesKeys
    new: bool


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a batch. ``exceptions``: place (from 0) of each object that is not new, and why: 'already',
    'conflict' or 'refused'. ``series``: by place, what had to be looked up; None: it takes no objects."""

    exceptions: dict[int, str]
    series: dict[int, FoundSeries | None]


class Place(NamedTuple):
    """Where a copy is: the fields of storage.model.BlobRange, as columns of ``location``."""

    store: str
    key: str
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Known:
    """An object that the index has; ``where`` is its copy in this store. ``forms`` are the digests that it has, or had
    when it was received."""

    pk: int
    digest: bytes
    state: str
    where: Place | None
    forms: frozenset[bytes] = frozenset()

    def is_same(self, digest: bytes) -> bool:
        """Whether a data set is this object, in whatever form."""
        return digest == self.digest or digest in self.forms


async def file_objects(
    connection: Connection, at: datetime, store: str, series: Sequence[BatchSeries], instances: Sequence[NewInstance]
) -> Filed:
    """File a batch in one transaction (its own, when the connection is in none), facts included.

    Raises StaleKeys, Collided or NotIndexable; then nothing was written.
    """
    try:
        rows = await _sql.file_objects.all(
            connection,
            at=at,
            store=store,
            study_uid=[each.study_uid for each in series],
            series_uid=[each.series_uid for each in series],
            study_pk=[each.keys.study_pk if each.keys else None for each in series],
            series_pk=[each.keys.series_pk if each.keys else None for each in series],
            fresh=[each.record for each in series] if any(each.keys is None for each in series) else None,
            **dict(zip(NewInstance._fields, zip(*instances, strict=True), strict=True)),
        )
    except LOST:
        raise
    except (asyncpg.PostgresError, TypeError, ValueError) as error:
        raise _meaning(error) from error
    exceptions: dict[int, str] = {}
    found: dict[int, FoundSeries | None] = {}
    for kind, place, study, keys in rows:
        if kind == "series":
            found[place - 1] = None if keys is None else FoundSeries(SeriesKeys(study, keys), new=False)
        elif kind == "new-series":
            found[place - 1] = FoundSeries(SeriesKeys(study, keys), new=True)
        else:
            exceptions[place - 1] = kind
    return Filed(exceptions, found)


async def file_known(
    connection: Connection, at: datetime, store: str, groups: Sequence[Group], instances: Sequence[NewInstance]
) -> None:
    """File objects that are new, as far as is known, into series that are: as ``file_objects``, at half the cost.

    ``groups`` by study UID, ``instances`` (whose ``slot`` is the place of their group) by UID. Raises StaleKeys,
    Collided, or NotIndexable (when an object is here already, too); then nothing was written.
    """
    try:
        await _sql.file_known.all(
            connection,
            at=at,
            store=store,
            study_pk=[group.keys.study_pk for group in groups],
            series_pk=[group.keys.series_pk for group in groups],
            class_of=[group.sop_class for group in groups],
            count=[len(group.sop_uids) for group in groups],
            total_bytes=[group.size_bytes for group in groups],
            fact=[group.fact() for group in groups],
            **dict(zip(NewInstance._fields, zip(*instances, strict=True), strict=True)),
        )
    except LOST:
        raise
    except (asyncpg.PostgresError, TypeError, ValueError) as error:
        raise _meaning(error) from error


async def warm(connection: Connection, at: datetime, store: str) -> None:
    """File nothing, twice: what the database reads and plans for the first batch of a connection it has then."""
    nothing: dict[str, Sequence[Any]] = dict.fromkeys(NewInstance._fields, ())
    try:
        await _sql.file_objects.all(
            connection,
            at=at,
            store=store,
            study_uid=(),
            series_uid=(),
            study_pk=(),
            series_pk=(),
            fresh=None,
            **nothing,
        )
        await _sql.file_known.all(
            connection,
            at=at,
            store=store,
            study_pk=(),
            series_pk=(),
            class_of=(),
            count=(),
            total_bytes=(),
            fact=(),
            **nothing,
        )
    except LOST:
        raise
    except asyncpg.PostgresError as error:
        raise _meaning(error) from error


def _meaning(error: Exception) -> FilmroomError:
    state: str = getattr(error, "sqlstate", None) or ""
    if state == _STALE:
        return StaleKeys("a remembered series is gone")
    if state in _COLLIDED:
        return Collided("another transaction was in the way")
    if state == _DISK_FULL:
        return NoSpace("the database has no room left")
    if state and state[:2] not in _REFUSALS:
        return Unavailable(f"the database could not file the batch ({type(error).__name__})")
    # The message of the database may carry values; its class does not.
    return NotIndexable(f"the index refuses a value ({type(error).__name__})")


async def known_objects(connection: Connection, store: str, sop_uids: Sequence[str]) -> dict[str, Known]:
    """Those of ``sop_uids`` that the index has."""
    rows = await _sql.stored_objects.all(connection, store=store, sop_uids=sop_uids)
    return {row["sop_uid"]: Known(row["pk"], row["digest"], row["state"], _where(row), _forms(row)) for row in rows}


async def replace_bytes(connection: Connection, pk: int, where: Place, blob_digest: bytes, dataset_offset: int) -> None:
    """An object whose bytes were lost has come again, and is at ``where`` now."""
    await _sql.replace_location.run(
        connection,
        instance_pk=pk,
        store=where.store,
        key=where.key,
        start=where.start,
        size_bytes=where.size_bytes,
        digest=blob_digest,
    )
    await _sql.replace_instance_bytes.run(
        connection, instance_pk=pk, dataset_offset=dataset_offset, size_bytes=where.size_bytes
    )


async def has_objects(connection: Connection, store: str) -> bool:
    """Whether any object is said to be in ``store``."""
    return bool(await _sql.any_location.value(connection, store=store))


def _forms(row: Any) -> frozenset[bytes]:
    return frozenset({row["received_digest"], row["made_digest"]} - {None}) if row["received_digest"] else frozenset()


def _where(row: Any) -> Place | None:
    if row["key"] is None:
        return None
    return Place(row["store"], row["key"], row["start"], row["size_bytes"])
