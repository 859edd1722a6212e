"""Rows of objects that come again: what is here, and how another version takes its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from filmroom.archive.duplicates import Copy
from filmroom.archive.identity import StudyPatient
from filmroom.base.errors import NotFound
from filmroom.db.pool import Connection
from filmroom.db.queries import load
from filmroom.storage.model import BlobRange

_sql = load("filmroom.archive", "duplicates.sql")
_deleting = load("filmroom.archive", "delete.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An object whose bytes are durable at ``where`` and that is to take the place of an older one."""

    sop_class: str
    transfer_syntax: str
    dataset_offset: int
    header_bytes: int
    digest: bytes
    blob_digest: bytes
    source: str
    where: BlobRange


async def here(connection: Connection, sop_uids: Sequence[str]) -> dict[str, tuple[int, Copy]]:
    """Those of the objects that the index has: their keys, and what ``duplicates.decide`` asks of them.

    Of several under a UID it is the one that came last.
    """
    rows = await _sql.copies.all(connection, sop_uids=list(sop_uids))
    return {row["sop_uid"]: (row["pk"], _copy(row)) for row in rows}


async def here_for(connection: Connection, sop_uid: str, study_uid: str, series_uid: str) -> tuple[int, Copy] | None:
    """Of the objects under a UID the one of this series, or else the one that came last."""
    rows = await _sql.copies.all(connection, sop_uids=[sop_uid])
    rows.sort(key=lambda row: (row["study_uid"], row["series_uid"]) == (study_uid, series_uid))
    return (rows[-1]["pk"], _copy(rows[-1])) if rows else None


def _copy(row: Any) -> Copy:
    return Copy(row["study_uid"], row["series_uid"], row["source"], row["digest"])


async def lock_studies(tx: Connection, study_uids: Sequence[str]) -> None:
    """First of all that is locked, in the order in which filing locks them."""
    await _sql.lock_studies.all(tx, study_uids=list(study_uids))


async def step_aside(tx: Connection, sop_uid: str) -> None:
    """Make room under a UID for an object in another series; the one that is here stays."""
    await _sql.step_aside.run(tx, sop_uid=sop_uid)


@dataclass(frozen=True, slots=True)
class GivenWay:
    """Where an object was that gave way."""

    series_pk: int
    study_pk: int


async def give_way(tx: Connection, pk: int, *, reason: str, at: datetime, kept_days: int) -> GivenWay:
    """Take an object out of its series; it stays as an older version. ``recount`` after the other is filed.

    Raises NotFound when it has no bytes any more.
    """
    expires_at = at + timedelta(days=kept_days)
    if await _sql.keep_version.value(tx, pk=pk, reason=reason, at=at, expires_at=expires_at) is None:
        raise NotFound("there is nothing to replace")
    for statement in (_sql.forget_copies, _sql.forget_coercion, _sql.forget_compression):
        await statement.run(tx, pk=pk)
    row = await _sql.give_way.one(tx, pk=pk)
    assert row is not None
    return GivenWay(row["series_pk"], row["study_pk"])


async def note(
    tx: Connection, sop_uid: str, here: Copy, coming: Copy, *, action: str, reason: str, at: datetime
) -> None:
    """A line of the journal about an object that came under a UID that is here elsewhere: both places, both senders."""
    before, after = ({"study": one.study_uid, "series": one.series_uid, "source": one.source} for one in (here, coming))
    target = f"instance:{sop_uid}"
    await _sql.displaced.run(tx, at=at, why=reason, action=action, target=target, before=before, after=after)


async def recount(tx: Connection, gone: GivenWay) -> None:
    """Count series and study anew; what holds nothing any more goes, so that it may come again."""
    await _deleting.recount_series.run(tx, pks=[gone.series_pk])
    await _deleting.recount_study.run(tx, study_pk=gone.study_pk)
    await _deleting.forget_series.run(tx, pks=[gone.series_pk])
    await _deleting.forget_study.run(tx, study_pk=gone.study_pk)


async def study_patient(connection: Connection, study_uid: str) -> StudyPatient | None:
    """Whose a study is, for ``identity.examine``; None when it is not here."""
    row = await _sql.study_patient.one(connection, study_uid=study_uid)
    if row is None:
        return None
    own = [(value, issuer) for value, issuer in row["own"]]
    merged = [(value, issuer) for value, issuer in row["merged"]]
    return StudyPatient(own, merged, row["attributes"])


async def said(connection: Connection, study_uid: str, series_uid: str, identifier: tuple[str, str]) -> Any | None:
    """What is known of ``study``, ``series`` and ``patient``; ``patient_pk`` is None when the identifier (value and
    issuer) is not one of theirs."""
    return await _sql.said.one(
        connection, study_uid=study_uid, series_uid=series_uid, value=identifier[0], issuer=identifier[1]
    )


async def supersede(tx: Connection, pk: int, new: Version, *, reason: str, at: datetime, kept_days: int) -> int:
    """Put ``new`` in the place of object ``pk`` of the same series; the number of the version that was kept.

    What the index says of the object's patient, study and series stays, as for any further object. Raises NotFound
    when the object has no bytes any more.
    """
    kept = await recode(tx, pk, new, reason=reason, at=at, received_at=at, kept=timedelta(days=kept_days))
    await _sql.forget_coercion.run(tx, pk=pk)
    await _sql.forget_compression.run(tx, pk=pk)
    return kept


async def recode(
    tx: Connection, pk: int, new: Version, *, reason: str, at: datetime, received_at: datetime, kept: timedelta
) -> int:
    """Put the same object in another form (``new``) in its place; the number of the version that was kept.

    What was decided about the object when it came stays in force. Raises NotFound when it has no bytes any more.
    """
    number = await _sql.keep_version.value(tx, pk=pk, reason=reason, at=at, expires_at=at + kept)
    if number is None:
        raise NotFound("there is nothing to replace")
    before = await tx.fetchval("SELECT size_bytes FROM instance WHERE pk = $1", pk)
    await _sql.forget_copies.run(tx, pk=pk)
    row = await _sql.replace_instance.one(
        tx,
        pk=pk,
        at=received_at,
        sop_class=new.sop_class,
        transfer_syntax=new.transfer_syntax,
        dataset_offset=new.dataset_offset,
        header_bytes=new.header_bytes,
        size_bytes=new.where.size_bytes,
        digest=new.digest,
        source=new.source,
    )
    where = new.where
    await _sql.place.run(
        tx,
        pk=pk,
        store=where.store,
        key=where.key,
        start=where.start,
        size_bytes=where.size_bytes,
        blob_digest=new.blob_digest,
    )
    assert row is not None
    await _sql.touch.run(tx, series_pk=row["series_pk"], study_pk=row["study_pk"], more=where.size_bytes - before)
    return int(number)


async def versions(connection: Connection, sop_uid: str) -> list[Any]:
    """The superseded versions of an object, the latest first."""
    rows: list[Any] = await _sql.versions.all(connection, sop_uid=sop_uid)
    return rows


async def expired(tx: Connection, at: datetime, limit: int = 1000) -> list[BlobRange]:
    """Forget versions whose time is over; where their bytes are, to be removed by who holds the stores."""
    rows = await _sql.expired.all(tx, at=at, limit=limit)
    return [BlobRange(row["store"], row["key"], row["start"], row["size_bytes"]) for row in rows]
