"""Objects come in, by every door, whole, broken, again and at once."""

import asyncio
import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bench.corpus import EXPLICIT_LE, Study, fresh_run, objects
from tests.fixtures.taking_in import Rig, changed, feed_in, taking_in

from filmroom.archive.model import Stored
from filmroom.base.errors import Forbidden
from filmroom.base.facts import InstancesStored, ObjectQuarantined
from filmroom.db import feed
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM, person
from filmroom.settings import StorageSettings


def study(number: int = 1) -> Study:
    return Study(fresh_run(), number)


@pytest.mark.capability("1.1.4", "1.1.5", "3.1.1")
@pytest.mark.parametrize("kind", ["tiny", "ct", "cine-small"])
async def test_what_is_stored_is_what_was_sent(rig: Rig, kind: str) -> None:
    (sent,) = objects(kind, study(), 1)
    outcome = await rig.store(sent)
    assert outcome.result is Stored.NEW
    assert (outcome.sop_uid, outcome.study_uid, outcome.series_uid) == (sent.sop_uid, sent.study_uid, sent.series_uid)
    head, dataset = await rig.stored(sent.sop_uid)
    assert dataset == sent.dataset
    assert head[:132] == bytes(128) + b"DICM"
    assert await rig.value("SELECT digest FROM instance") == hashlib.sha256(sent.dataset).digest()
    assert await rig.faults() == []


@pytest.mark.capability("1.1.4")
async def test_rows_counters_and_facts_of_a_study(rig: Rig) -> None:
    one, other = study(1), study(2)
    sent = [*objects("ct", one, 12), *objects("tiny", other, 5)]
    assert {outcome.result for outcome in await rig.store_all(sent)} == {Stored.NEW}
    rows = await rig.rows("SELECT study_uid, n_series, n_instances, modalities, sop_classes FROM study ORDER BY 3")
    assert rows == [
        (other.uid, 1, 5, ["SR"], ["1.2.840.10008.5.1.4.1.1.88.11"]),
        (one.uid, 1, 12, ["CT"], ["1.2.840.10008.5.1.4.1.1.2"]),
    ]
    assert await rig.rows("SELECT n_instances FROM series ORDER BY 1") == [(5,), (12,)]
    assert await rig.value("SELECT count(*) FROM patient") == 2
    assert await rig.value("SELECT count(*) FROM study WHERE patient_pk = 0 OR acquired_patient_pk = 0") == 0
    recorded = await feed.read(rig.database, 0)
    assert [each.seq for each in recorded] == list(range(1, len(recorded) + 1))
    told = [uid for each in recorded if isinstance(each.fact, InstancesStored) for uid in each.fact.sop_uids]
    assert sorted(told) == sorted(each.sop_uid for each in sent)


@pytest.mark.capability("1.1.4")
@pytest.mark.parametrize("kind", ["tiny", "cine-small"])
async def test_sending_again_is_already_and_changes_nothing(rig: Rig, kind: str) -> None:
    (sent,) = objects(kind, study(), 1)
    assert (await rig.store(sent)).result is Stored.NEW
    before = await rig.rows("SELECT version, n_instances, size_bytes FROM study")
    assert (await rig.store(sent)).result is Stored.ALREADY
    assert (await rig.store(sent, part10=True)).result is Stored.ALREADY
    assert await rig.rows("SELECT version, n_instances, size_bytes FROM study") == before
    assert await rig.value("SELECT count(*) FROM location") == 1


@pytest.mark.capability("1.1.4")
async def test_sending_again_after_a_restart_writes_no_bytes(database: Database, tmp_path: Path) -> None:
    sent = list(objects("tiny", study(), 20))
    async with taking_in(database, tmp_path) as rig:
        await rig.store_all(sent)
    before = sorted((path, path.stat().st_size) for path in tmp_path.rglob("*.tar"))
    async with taking_in(database, tmp_path) as rig:
        assert {outcome.result for outcome in await rig.store_all(sent)} == {Stored.ALREADY}
    assert sorted((path, path.stat().st_size) for path in tmp_path.rglob("*.tar")) == before


@pytest.mark.capability("1.1.6", "1.1.12")
@pytest.mark.parametrize("kind", ["tiny", "cine-small"])
async def test_other_content_under_the_same_uid_is_a_conflict_and_both_are_kept(rig: Rig, kind: str) -> None:
    (sent,) = objects(kind, study(), 1)
    other = changed(sent)
    assert (await rig.store(sent)).result is Stored.NEW
    outcome = await rig.store(other)
    assert outcome.result is Stored.CONFLICT
    assert 0 < len(outcome.comment) <= 64
    assert (await rig.stored(sent.sop_uid))[1] == sent.dataset
    (entry,) = await rig.quarantine.list(SYSTEM)
    assert (entry.reason, entry.sop_uid) == ("conflict", sent.sop_uid)
    kept = b"".join([chunk async for chunk in rig.quarantine.read(SYSTEM, entry.pk)])
    assert kept.endswith(other.dataset)
    assert isinstance((await feed.read(rig.database, 0))[-1].fact, ObjectQuarantined)


@pytest.mark.capability("1.1.6")
async def test_same_uid_twice_at_once_one_wins(rig: Rig) -> None:
    (sent,) = objects("tiny", study(), 1)
    other = changed(sent)
    outcomes = await rig.store_all([sent, sent, other, sent])
    kinds = sorted(outcome.result.value for outcome in outcomes)
    assert kinds in (["already", "already", "conflict", "new"], ["conflict", "conflict", "conflict", "new"])
    assert await rig.value("SELECT n_instances FROM study") == 1


@pytest.mark.capability("1.1.16")
async def test_240_racing_for_one_new_study_of_one_new_patient(rig: Rig) -> None:
    sent = list(objects("tiny", study(), 240))
    assert {outcome.result for outcome in await rig.store_all(sent)} == {Stored.NEW}
    assert await rig.rows("SELECT n_series, n_instances FROM study") == [(1, 240)]
    assert await rig.value("SELECT count(*) FROM patient") == 1
    assert await rig.value("SELECT n_instances FROM series") == 240


@pytest.mark.capability("1.1.3")
async def test_byte_by_byte_and_with_a_file_header(rig: Rig) -> None:
    one, two = objects("tiny", study(), 2)
    assert (await rig.store(one, piece=1)).result is Stored.NEW
    assert (await rig.store(two, part10=True, piece=1)).result is Stored.NEW
    head, dataset = await rig.stored(two.sop_uid)
    assert head + dataset == two.part10()


@pytest.mark.capability("1.1.5")
async def test_the_preamble_is_zeroed_unless_it_is_tiff_and_group_2_is_kept(rig: Rig) -> None:
    one, two = objects("tiny", study(), 2)
    program = b"MZ" + bytes(126) + one.part10()[128:]
    tiff = b"II*\0" + bytes(124) + two.part10()[128:]
    assert (await rig.store_file(program)).result is Stored.NEW
    assert (await rig.store_file(tiff)).result is Stored.NEW
    assert b"".join(await rig.stored(one.sop_uid)) == one.part10()
    assert b"".join(await rig.stored(two.sop_uid)) == tiff


@pytest.mark.capability("1.1.12")
async def test_a_file_without_header_gets_one(rig: Rig) -> None:
    (small,), (large,) = objects("tiny", study(), 1), objects("cine-small", study(), 1)
    for sent in (small, large):
        assert (await rig.store_file(sent.dataset)).result is Stored.NEW
        head, dataset = await rig.stored(sent.sop_uid)
        assert head[128:132] == b"DICM"
        assert EXPLICIT_LE.encode() in head
        assert dataset == sent.dataset
    assert await rig.faults() == []
    assert list((rig.online.root / "incoming").rglob("*.dcm")) == []


@pytest.mark.capability("1.1.12")
@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"This is no DICOM file. " * 40, bytes(4096), bytes(128) + b"DICM", bytes(3 << 20)],
    ids=["empty", "byte", "text", "zeros", "prefix only", "large"],
)
async def test_what_cannot_be_read_is_quarantined_as_it_came(rig: Rig, data: bytes) -> None:
    outcome = await rig.store_file(data)
    assert outcome.result is Stored.QUARANTINED
    assert outcome.comment
    (entry,) = await rig.quarantine.list(SYSTEM)
    assert entry.reason == "not-readable"
    assert b"".join([chunk async for chunk in rig.quarantine.read(SYSTEM, entry.pk)]) == data


@pytest.mark.capability("1.1.12")
async def test_an_object_without_uids_is_quarantined_and_the_next_one_is_filed(rig: Rig) -> None:
    good, bad = objects("tiny", study(), 2)
    uid = bad.study_uid.encode()
    broken = replace(bad, header=bad.header.replace(uid, b"not a uid".ljust(len(uid))))
    assert (await rig.store(broken)).result is Stored.QUARANTINED
    assert (await rig.store(good)).result is Stored.NEW
    assert await rig.quarantine.count(SYSTEM) == 1


async def test_a_message_that_names_another_object_is_quarantined(rig: Rig) -> None:
    one, two = objects("tiny", study(), 2)
    assert (await rig.store(replace(one, sop_uid=two.sop_uid))).result is Stored.QUARANTINED
    ((reason,),) = await rig.rows("SELECT reason FROM quarantine")
    assert reason == "uid-differs"


async def test_a_value_that_the_index_refuses_does_not_harm_the_others(rig: Rig) -> None:
    good, bad = objects("tiny", study(1), 2), objects("tiny", study(2), 1)
    poisoned = [replace(each, header=each.header.replace(b"COUNTY", b"CO\0NTY")) for each in bad]
    outcomes = await rig.store_all([*good, *poisoned])
    assert [outcome.result for outcome in outcomes[:2]] == [Stored.NEW] * 2
    # Whether the NUL is cleaned on the way or refused, nothing is lost and nobody else notices.
    assert outcomes[2].result in (Stored.NEW, Stored.QUARANTINED)
    assert await rig.faults() == []


async def test_objects_without_patient_id_do_not_share_a_patient(rig: Rig) -> None:
    sent = []
    for number in (1, 2):
        (each,) = objects("tiny", study(number), 1)
        start = each.header.index(b"\x10\x00\x20\x00LO")
        length = int.from_bytes(each.header[start + 6 : start + 8], "little")
        end = each.header.index(b"\x10\x00\x30\x00DA")
        del length
        sent.append(replace(each, header=each.header[:start] + each.header[end:]))
    assert {outcome.result for outcome in await rig.store_all(sent)} == {Stored.NEW}
    assert await rig.value("SELECT count(*) FROM patient") == 2
    issuers = {issuer for (issuer,) in await rig.rows("SELECT issuer FROM patient_identifier WHERE value = ''")}
    assert issuers == {f"study:{each.study_uid}" for each in sent}


async def test_lost_bytes_are_restored_by_sending_again(rig: Rig) -> None:
    (sent,) = objects("cine-small", study(), 1)
    await rig.store(sent)
    ((key,),) = await rig.rows("SELECT key FROM location")
    (rig.online.root / key).unlink()
    assert len(await rig.faults()) == 1
    assert (await rig.store(sent)).result is Stored.ALREADY
    assert (await rig.stored(sent.sop_uid))[1] == sent.dataset
    assert await rig.faults() == []


async def test_a_remembered_series_that_is_gone_is_made_again(rig: Rig) -> None:
    one, two = objects("tiny", study(), 2)
    await rig.store(one)
    await rig.rows("DELETE FROM study")
    await rig.rows("DELETE FROM series")
    assert (await rig.store(two)).result is Stored.NEW
    assert await rig.rows("SELECT n_instances FROM study") == [(1,)]


@pytest.mark.capability("1.1.16")
async def test_a_study_that_is_being_deleted_takes_nothing(rig: Rig) -> None:
    one, two = objects("tiny", study(), 2)
    await rig.store(one)
    await rig.rows("UPDATE study SET state = 'deleted'")
    assert (await rig.store(two)).result is Stored.REFUSED
    assert await rig.value("SELECT count(*) FROM instance") == 1


@pytest.mark.capability("2.1.4")
async def test_packs_are_tar_files_that_tar_reads(database: Database, tmp_path: Path) -> None:
    sent = list(objects("tiny", study(), 7))
    async with taking_in(database, tmp_path) as rig:
        await rig.store_all(sent)
    (pack,) = tmp_path.rglob("*.tar")
    listed = subprocess.run(["tar", "-tf", pack], capture_output=True, text=True, check=True).stdout.split()
    assert len(listed) == 7
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", pack, "-C", unpacked], check=True)
    found = {path.read_bytes()[-len(sent[0].dataset) :] for path in unpacked.rglob("*.dcm")}
    assert {each.dataset for each in sent} == found


async def test_a_full_pack_is_followed_by_the_next(database: Database, tmp_path: Path) -> None:
    settings = StorageSettings(reserve_bytes=0, pack_size_bytes=20_000)
    async with taking_in(database, tmp_path, settings=settings) as rig:
        for each in objects("tiny", study(), 9):
            await rig.store(each)
        assert await rig.value("SELECT count(DISTINCT key) FROM location") >= 2
        assert await rig.faults() == []


@pytest.mark.capability("1.1.3")
async def test_over_the_memory_budget_objects_go_to_disk(database: Database, tmp_path: Path) -> None:
    settings = StorageSettings(reserve_bytes=0, ingest_memory_bytes=200_000)
    sent = list(objects("ct", study(), 6))
    async with taking_in(database, tmp_path, settings=settings) as rig:
        assert {outcome.result for outcome in await rig.store_all(sent)} == {Stored.NEW}
        assert await rig.value("SELECT count(*) FROM location WHERE key LIKE 'file/%'") > 0
        assert rig.ingest.held_bytes == 0
        assert await rig.faults() == []


@pytest.mark.parametrize("kind", ["ct", "cine-small"])
async def test_an_object_whose_sender_goes_away_leaves_nothing(rig: Rig, kind: str) -> None:
    (sent,) = objects(kind, study(), 1)
    incoming = rig.begin(sent)
    for start in range(0, 2 * len(sent.dataset) // 3, 65_536):
        incoming.write(sent.dataset[start : start + 65_536])
        if incoming.full:
            await incoming.drain()
    await incoming.discard()
    assert rig.ingest.held_bytes == 0
    assert await rig.value("SELECT count(*) FROM instance") == 0
    left = [path for path in rig.online.root.rglob("*") if path.is_file() and path.stat().st_size > 100]
    assert left == []


async def test_an_abandoned_wait_does_not_abandon_the_object(rig: Rig) -> None:
    (sent,) = objects("tiny", study(), 1)
    incoming = rig.begin(sent)
    incoming.write(sent.dataset)
    waiting = asyncio.ensure_future(incoming.finish())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (await rig.store(sent)).result is Stored.ALREADY


async def test_who_may_not_store_does_not(rig: Rig) -> None:
    viewer = person(1, "reader", frozenset({"viewer"}))
    with pytest.raises(Forbidden):
        rig.ingest.begin(viewer, door="stow", source="", transfer_syntax=None, part10=True)


async def test_pieces_may_be_views_of_a_buffer_that_changes(rig: Rig) -> None:
    (sent,) = objects("ct", study(), 1)
    incoming = rig.begin(sent)
    buffer = bytearray(50_000)
    data = sent.dataset
    for start in range(0, len(data), len(buffer)):
        piece = data[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        incoming.write(memoryview(buffer)[: len(piece)])
    assert (await incoming.finish()).result is Stored.NEW
    assert (await rig.stored(sent.sop_uid))[1] == data


@pytest.mark.capability("1.1.12")
async def test_requeue_files_what_has_become_acceptable_and_discard_ends_it(rig: Rig) -> None:
    one, two = objects("tiny", study(), 2)
    await rig.store(one)
    await rig.rows("UPDATE instance SET digest = '\\x00'")
    assert (await rig.store(one)).result is Stored.CONFLICT
    (entry,) = await rig.quarantine.list(SYSTEM)
    await rig.rows("DELETE FROM location")
    await rig.rows("DELETE FROM instance")
    outcome = await rig.quarantine.requeue(SYSTEM, entry.pk, rig.ingest)
    assert outcome.result is Stored.NEW
    assert await rig.quarantine.count(SYSTEM) == 0
    await rig.store_file(b"nonsense" * 200)
    (entry,) = await rig.quarantine.list(SYSTEM)
    await rig.quarantine.discard(SYSTEM, entry.pk)
    assert await rig.quarantine.count(SYSTEM) == 0
    assert not (rig.online.root / entry.where.key).exists()
    del two


async def test_feeding_a_broken_stream_needs_no_more_memory_than_a_good_one(rig: Rig) -> None:
    incoming = rig.ingest.begin(SYSTEM, door="stow", source="", transfer_syntax=None, part10=True)
    outcome = await feed_in(incoming, bytes(20 << 20), 1 << 20)
    assert outcome.result is Stored.QUARANTINED
    assert rig.ingest.held_bytes == 0


@pytest.mark.capability("1.1.4")
async def test_objects_that_come_together_are_filed_together_and_one_alone_does_not_wait(rig: Rig) -> None:
    one, *rest = objects("tiny", study(), 41)
    await rig.store(one)
    before = await feed.head(rig.database)
    await rig.store_all(rest)
    assert await feed.head(rig.database) - before <= 4
    assert rig.ingest.desk._timer is None


async def test_stopping_files_what_has_arrived(database: Database, tmp_path: Path) -> None:
    sent = list(objects("tiny", study(), 9))
    async with taking_in(database, tmp_path) as rig:
        await rig.store_all(sent[:3])
        waiting = [asyncio.ensure_future(rig.store(each)) for each in sent[3:]]
        await asyncio.sleep(0)
    assert {(await each).result for each in waiting} == {Stored.NEW}
