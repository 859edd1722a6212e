"""Another version takes an object's place; the older one is kept, named, and goes when its time is over."""

import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bench.corpus import Study, fresh_run, objects
from pydicom import dcmread
from tests.fixtures.taking_in import Rig

from filmroom.archive.corrections import Corrections
from filmroom.archive.duplicates import Copy, Duplicate, DuplicatePolicy, Replacing, decide
from filmroom.archive.duplicates_store import Version, expired, here, study_patient, supersede, versions
from filmroom.archive.retrieve import Retrieve
from filmroom.base.clock import SystemClock
from filmroom.security.principals import SYSTEM
from filmroom.storage.model import BlobRange

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.capability("1.1.6")
async def test_a_newer_version_is_handed_out_and_the_older_one_kept(rig: Rig, retrieve: Retrieve) -> None:
    study = Study(fresh_run(), 1)
    sent = next(objects("ct", study, 1))
    other = replace(sent, pixels=bytes(len(sent.pixels)))
    await rig.store(sent)
    digest = hashlib.sha256(other.dataset).digest()
    async with rig.database.transaction() as tx:
        pk, copy = (await here(tx, [sent.sop_uid]))[sent.sop_uid]
        coming = Copy(other.study_uid, other.series_uid, "TEST", digest)
        assert decide(copy, coming, DuplicatePolicy(replacing=Replacing.SAME_SOURCE)).what is Duplicate.REPLACE
        # Its bytes are in the store already: those of an object that was filed under another UID.
        twin = replace(next(objects("ct", Study(fresh_run(), 2), 1)), pixels=bytes(len(sent.pixels)))
        await rig.store(twin)
        row = await tx.fetchrow(
            "SELECT i.*, l.key, l.start, l.digest AS blob FROM instance i JOIN location l ON l.instance_pk = i.pk "
            "WHERE sop_uid = $1",
            twin.sop_uid,
        )
        new = Version(
            sop_class=row["sop_class"],
            transfer_syntax=row["transfer_syntax"],
            dataset_offset=row["dataset_offset"],
            header_bytes=row["header_bytes"],
            digest=digest,
            blob_digest=row["blob"],
            source="TEST",
            where=BlobRange("local", row["key"], row["start"], row["size_bytes"]),
        )
        number = await supersede(tx, pk, new, reason="replaced by rule", at=NOW, kept_days=30)
    item = await retrieve.one(SYSTEM, sent.study_uid, sent.series_uid, sent.sop_uid)
    data = b"".join([chunk async for chunk in (await retrieve.file(item)).chunks])
    assert not any(dcmread(io.BytesIO(data)).PixelData[-1000:])
    async with rig.database.transaction() as tx:
        (kept,) = await versions(tx, sent.sop_uid)
        assert (kept["pk"], kept["digest"]) == (number, copy.digest)
        where = BlobRange(kept["store"], kept["key"], kept["start"], kept["size_bytes"])
        assert rig.blobs.read_sync(where).endswith(sent.dataset)
        assert await expired(tx, NOW + timedelta(days=29)) == []
        assert await expired(tx, NOW + timedelta(days=31)) == [where]


@pytest.mark.capability("1.1.8")
async def test_whose_a_study_is_with_identifiers_that_came_by_a_merge(rig: Rig) -> None:
    one, two = Study(fresh_run(), 1), Study(fresh_run(), 2)
    await rig.store_all([*objects("tiny", one, 1), *objects("tiny", two, 1)])
    await Corrections(rig.database, SystemClock()).merge(SYSTEM, one.patient_id, two.patient_id, why="one")
    async with rig.database.connection() as connection:
        found = await study_patient(connection, one.uid)
        assert found is not None
        assert [value for value, _ in found.identifiers] == [two.patient_id]
        assert [value for value, _ in found.merged] == [one.patient_id]
        assert await study_patient(connection, "1.2.3") is None
