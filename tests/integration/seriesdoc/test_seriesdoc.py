"""Series documents: the same as reading every object, one version each, made once, ahead of the first question."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import zstandard
from bench.corpus import Study, fresh_run, objects
from pydicom.dataset import Dataset
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive import seriesdoc, seriesdoc_growing
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.retrieve_frames import parse_path
from filmroom.archive.seriesdoc import SeriesDocuments
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db.pool import Database
from filmroom.dicom.json import dataset_to_json
from filmroom.security.principals import SYSTEM, person

pytestmark = pytest.mark.capability("3.1.3", "6.1.2")
PATIENCE_S = 30.0


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with taking_in(database, tmp_path / "store") as opened:
        yield opened


@pytest.fixture
async def documents(rig: Rig) -> AsyncIterator[SeriesDocuments]:
    pool = PixelPool(1)
    made = another(rig, pool)
    yield made
    await made.stop()
    await pool.close()


def another(rig: Rig, pool: PixelPool) -> SeriesDocuments:
    return SeriesDocuments(rig.database, rig.blobs, pool, SystemClock(), rig.feed)


async def test_a_document_says_of_each_object_what_its_header_says(rig: Rig, documents: SeriesDocuments) -> None:
    study = Study(fresh_run(), 1)
    sent = list(objects("ct", study, 30))
    await rig.store_all(sent)
    document = await documents.series_metadata(SYSTEM, study.uid, study.series_uid)
    found = orjson.loads(document.json)
    assert [each["00080018"]["Value"][0] for each in found] == [each.sop_uid for each in sent]
    for each, one in zip(sent, found, strict=True):
        assert one.pop("00083002") == {"vr": "UI", "Value": [each.transfer_syntax]}
        expected = dataset_to_json(each.dataset, each.transfer_syntax, bulk_uri=lambda path: "")
        pixels = one["7FE00010"].pop("BulkDataURI")
        expected["7FE00010"].pop("BulkDataURI")
        assert one == expected
        head, _, path = pixels.partition("/bulkdata/")
        assert head == f"/dicom-web/studies/{study.uid}/series/{study.series_uid}/instances/{each.sop_uid}"
        assert parse_path(path) == (0x7FE00010,)
        assert list(one) == sorted(one)
    assert Dataset.from_json(found[0], bulk_data_uri_handler=lambda uri: b"").Modality == "CT"


async def test_a_document_is_one_version_and_its_etag_says_which(rig: Rig, documents: SeriesDocuments) -> None:
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("tiny", study, 3)))
    first = await documents.series_metadata(SYSTEM, study.uid, study.series_uid)
    assert (await documents.series_metadata(SYSTEM, study.uid, study.series_uid)) is first
    await rig.store_all(list(objects("tiny", study, 2, first=4)))
    second = await documents.series_metadata(SYSTEM, study.uid, study.series_uid)
    assert second.etag != first.etag
    assert len(orjson.loads(second.json)) == 5


async def test_a_made_document_is_read_back_not_made_again(
    rig: Rig, documents: SeriesDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("tiny", study, 3)))
    first = await documents.series_metadata(SYSTEM, study.uid, study.series_uid)
    async with asyncio.timeout(20):
        while documents._saving:  # it is saved after it was handed out
            await asyncio.sleep(0.01)
    monkeypatch.setattr(seriesdoc, "make_document", lambda *_: pytest.fail("made again"))
    pool = PixelPool(1)
    again = await another(rig, pool).series_metadata(SYSTEM, study.uid, study.series_uid)
    await pool.close()
    assert (again.etag, again.compressed) == (first.etag, first.compressed)


async def test_many_who_ask_at_once_wait_for_one(
    rig: Rig, documents: SeriesDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, made, make = Study(fresh_run(), 1), [], seriesdoc.make_document
    await rig.store_all(list(objects("tiny", study, 3)))
    monkeypatch.setattr(seriesdoc, "make_document", lambda *given: made.append(1) or make(*given))
    asked = (documents.series_metadata(SYSTEM, study.uid, study.series_uid) for _ in range(8))
    found = await asyncio.gather(*asked)
    assert len({each.etag for each in found}) == 1
    assert len(made) == 1


async def test_a_study_has_the_documents_of_its_series(rig: Rig, documents: SeriesDocuments) -> None:
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("ct", study, 2)))
    found = await documents.study_metadata(SYSTEM, study.uid)
    assert [(each.study_uid, each.series_uid) for each in found] == [(study.uid, study.series_uid)]


async def test_forms_of_a_document(rig: Rig, documents: SeriesDocuments) -> None:
    study = Study(fresh_run(), 1)
    sent = list(objects("ct", study, 130))
    await rig.store_all(sent)
    document = await documents.series_metadata(SYSTEM, study.uid, study.series_uid)
    plain = document.json
    assert b"".join(document.chunks()) == plain
    assert zstandard.ZstdDecompressor().decompressobj().decompress(document.compressed) == plain
    whole = orjson.loads(document.with_origin("https://pacs.example"))
    assert whole[7]["7FE00010"]["BulkDataURI"].startswith("https://pacs.example/dicom-web/studies/")
    for place in (0, 64, 129):
        one = document.instance(sent[place].sop_uid)
        assert one is not None
        assert orjson.loads(one) == [orjson.loads(plain)[place]]
    assert document.instance("1.2.3") is None


async def test_what_is_not_there_or_not_allowed(rig: Rig, documents: SeriesDocuments) -> None:
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("tiny", study, 1)))
    with pytest.raises(NotFound):
        await documents.series_metadata(SYSTEM, study.uid, "1.2.3")
    with pytest.raises(NotFound):
        await documents.series_metadata(SYSTEM, "1.2.3", study.series_uid)
    with pytest.raises(NotFound):
        await documents.study_metadata(SYSTEM, "1.2.3")
    with pytest.raises(Forbidden):
        await documents.series_metadata(person(1, "nobody", frozenset()), study.uid, study.series_uid)


async def test_an_object_whose_bytes_are_gone_is_left_out_and_the_document_not_kept(
    rig: Rig, documents: SeriesDocuments, tmp_path: Path
) -> None:
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("tiny", study, 2)))
    async with rig.database.connection() as connection:
        await connection.execute(
            "UPDATE location SET key = 'pack/none.tar' WHERE instance_pk = (SELECT min(pk) FROM instance)"
        )
    document = await documents.series_metadata(SYSTEM, study.uid, study.series_uid)
    assert len(orjson.loads(document.json)) == 1
    assert await rig.value("SELECT count(*) FROM series_document") == 0


async def test_a_series_that_has_gone_quiet_gets_its_document_unasked(
    rig: Rig, documents: SeriesDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seriesdoc, "QUIET_S", 0.2)
    await documents.start()
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("tiny", study, 3)))
    deadline = time.monotonic() + PATIENCE_S
    while (
        await rig.value(
            "SELECT count(*) FROM series_document d JOIN series e ON e.pk = d.series_pk AND e.version = d.version"
        )
        == 0
    ):
        assert time.monotonic() < deadline, "no document was made"
        await asyncio.sleep(0.05)


async def test_a_growing_series_is_made_in_parts_and_the_document_is_the_same(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seriesdoc_growing, "PART_OBJECTS", 60)
    pool, asked, make = PixelPool(1), [], seriesdoc.make_document
    await pool.warm()
    growing, plain = another(rig, pool), another(rig, PixelPool(1))
    await growing.start()
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("ct", study, 70)))
    uids, deadline = (study.uid, study.series_uid), time.monotonic() + PATIENCE_S
    while not growing._growing.parts(uids):
        assert time.monotonic() < deadline, "no part was made"
        await asyncio.sleep(0.05)
    await rig.store_all(list(objects("ct", study, 5, first=71)))
    monkeypatch.setattr(seriesdoc, "make_document", lambda *given: asked.append(given) or make(*given))
    fresh = await plain._make(study.uid, study.series_uid, 1, 1)
    found = await growing.series_metadata(SYSTEM, study.uid, study.series_uid)
    assert found.json == fresh.json
    ready = [source for made in asked[-1][3] for source in made.sources]
    assert len(ready) >= 70
    assert set(ready) <= set(asked[-1][2])
    await growing.stop()
    await plain.stop()
    await pool.close()
