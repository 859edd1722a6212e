"""The rules of storing at the door: what they change, refuse, replace and keep (rules -> ingest -> index)."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bench.corpus import Object, Study, element, fresh_run, objects
from tests.fixtures.admitted import eventually
from tests.fixtures.taking_in import Rig, changed, taking_in

from filmroom.archive.consistency import Fault
from filmroom.archive.model import Stored
from filmroom.archive.recovery import forget_versions
from filmroom.archive.rules import StoreRules
from filmroom.archive.rules_book import RuleBook
from filmroom.base.clock import FixedClock, SystemClock
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM


@dataclass(frozen=True)
class Ruled:
    """An archive with rules."""

    rig: Rig
    rules: StoreRules
    book: RuleBook

    async def policy(self, **row: Any) -> None:
        await self.book.put_policy(SYSTEM, "TEST", "*", row)
        await self.rules.refresh()

    async def rule(self, name: str, condition: str, *actions: Mapping[str, Any]) -> None:
        await self.book.put_rule(SYSTEM, name, condition=condition, actions=list(actions))
        await self.rules.refresh()


@pytest.fixture
async def ruled(database: Database, tmp_path: Path) -> AsyncIterator[Ruled]:
    clock = SystemClock()
    rules = StoreRules(database, clock)
    async with taking_in(database, tmp_path, rules=rules) as rig:
        await rules.refresh()
        yield Ruled(rig, rules, RuleBook(database, clock))


def one(number: int = 1, run: int | None = None) -> Object:
    (made,) = objects("tiny", Study(run or fresh_run(), number), 1)
    return made


def with_value(each: Object, tag: int, vr: str, value: str) -> Object:
    """The same with another value of one attribute, of any length."""
    from io import BytesIO

    import pydicom

    dataset = pydicom.dcmread(BytesIO(each.part10()))
    dataset.add_new(tag, vr, value)
    out = BytesIO()
    dataset.save_as(out)
    whole = out.getvalue()
    start = whole.index(element(0x00080016, "UI", each.sop_class)[:8])
    earlier = whole.find(element(0x00080005, "CS", "ISO_IR 192")[:6])
    return replace(each, header=whole[earlier if 0 < earlier < start else start :], pixels=b"")


@pytest.mark.capability("1.1.10")
async def test_a_coercion_is_seen_by_the_index_and_leaves_the_bytes(ruled: Ruled) -> None:
    await ruled.rule(
        "site", "calling = TEST", {"set": "InstitutionName", "value": "North"}, {"prefix": "PatientID", "value": "N-"}
    )
    sent = one()
    assert (await ruled.rig.store(sent)).result is Stored.NEW
    assert (await ruled.rig.stored(sent.sop_uid))[1] == sent.dataset
    assert (await ruled.rig.value("SELECT value FROM patient_identifier")).startswith("N-")
    assert await ruled.rig.value("SELECT institution FROM series") in ("North", "north")
    assert await ruled.rig.value("SELECT count(*) FROM instance_coercion") == 1
    assert await ruled.rig.value("SELECT corrected FROM study")
    again = await ruled.rig.store(sent)
    assert again.result is Stored.ALREADY


@pytest.mark.capability("1.1.8")
async def test_an_object_without_patient_id_is_refused_or_given_one(ruled: Ruled) -> None:
    nobody = with_value(one(), 0x00100020, "LO", "")
    await ruled.policy(missing_id="reject")
    refused = await ruled.rig.store(nobody)
    assert (refused.result, refused.status) == (Stored.REFUSED, 0xC409)
    assert "Patient ID" in refused.comment
    assert await ruled.rig.value("SELECT count(*) FROM instance") == 0
    await ruled.policy(missing_id="create")
    assert (await ruled.rig.store(nobody)).result is Stored.NEW
    assert (await ruled.rig.value("SELECT value FROM patient_identifier")).startswith("F")


@pytest.mark.capability("1.1.8")
async def test_a778_another_patient_in_the_same_study(ruled: Ruled) -> None:
    run = fresh_run()
    first, second = objects("tiny", Study(run, 1), 2)
    await ruled.policy(other_patient="reject")
    assert (await ruled.rig.store(first)).result is Stored.NEW
    other = await ruled.rig.store(with_value(second, 0x00100020, "LO", "SOMEBODY-ELSE"))
    assert (other.result, other.status) == (Stored.REFUSED, 0xA778)
    assert (await ruled.rig.store(second)).result is Stored.NEW


@pytest.mark.capability("1.1.6")
async def test_other_content_replaces_and_the_older_version_is_kept(ruled: Ruled) -> None:
    await ruled.policy(replacing="same-source")
    sent = one()
    newer = changed(sent)
    assert (await ruled.rig.store(sent)).result is Stored.NEW
    assert (await ruled.rig.store(newer)).result is Stored.NEW
    assert (await ruled.rig.stored(sent.sop_uid))[1] == newer.dataset
    assert await ruled.rig.value("SELECT count(*) FROM superseded") == 1
    assert await ruled.rig.value("SELECT n_instances FROM study") == 1
    assert (await ruled.rig.store(newer)).result is Stored.ALREADY
    assert [each for each in await ruled.rig.faults() if each.fault is not Fault.ORPHAN] == []
    later = FixedClock(SystemClock().now() + timedelta(days=31))
    assert await forget_versions(ruled.rig.database, ruled.rig.online, later) == 1
    assert (await ruled.rig.stored(sent.sop_uid))[1] == newer.dataset


@pytest.mark.capability("1.1.6")
async def test_other_content_is_ignored_where_the_policy_says_so(ruled: Ruled) -> None:
    await ruled.policy(not_replaced="ignore")
    sent = one()
    await ruled.rig.store(sent)
    assert (await ruled.rig.store(changed(sent))).result is Stored.ALREADY
    assert (await ruled.rig.stored(sent.sop_uid))[1] == sent.dataset
    assert await ruled.rig.value("SELECT count(*) FROM quarantine") == 0


@pytest.mark.capability("1.1.7")
async def test_a77b_the_uid_is_in_another_study(ruled: Ruled) -> None:
    await ruled.policy(elsewhere="reject")
    run = fresh_run()
    sent, other = one(1, run), one(2, run)
    await ruled.rig.store(sent)
    stranger = replace(
        other,
        sop_uid=sent.sop_uid,
        header=other.header.replace(other.sop_uid.encode(), sent.sop_uid.encode()),
    )
    refused = await ruled.rig.store(stranger)
    assert (refused.result, refused.status) == (Stored.REFUSED, 0xA77B)


@pytest.mark.capability("1.1.9")
async def test_a_later_object_supplements_what_the_study_lacks(ruled: Ruled) -> None:
    first, second = objects("tiny", Study(fresh_run(), 1), 2)
    lacking = with_value(first, 0x00081030, "LO", "")
    assert (await ruled.rig.store(lacking)).result is Stored.NEW
    assert (await ruled.rig.store(with_value(second, 0x00081030, "LO", "Knee left"))).result is Stored.NEW

    async def supplemented() -> bool:
        return bool(await ruled.rig.value("SELECT description FROM study") == "knee left")

    await eventually(supplemented)


@pytest.mark.capability("1.1.11")
async def test_a_sender_that_says_latin_1_and_writes_gbk(ruled: Ruled) -> None:
    await ruled.policy(charset="GB18030", charset_repair="detect")
    sent = one()
    name = "王小明".encode("gb18030")
    at = sent.header.index(b"PN") - 4  # the first name is the patient's or the physician's: all are replaced below
    assert at > 0
    wrong = _with_raw(sent, {0x00080005: ("CS", b"ISO_IR 100"), 0x00100010: ("PN", name)})
    assert (await ruled.rig.store(wrong)).result is Stored.NEW
    names = await ruled.rig.rows("SELECT attributes -> '00100010' FROM patient")
    assert "王小明" in str(names)


def _with_raw(each: Object, values: Mapping[int, tuple[str, bytes]]) -> Object:
    """Elements exchanged byte for byte."""
    import struct

    data, out, position = each.header, bytearray(), 0
    while position < len(data):
        group, number, vr, short = struct.unpack_from("<HH2sH", data, position)
        tag = group << 16 | number
        long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR")
        length = struct.unpack_from("<I", data, position + 8)[0] if long else short
        end = position + (12 if long else 8) + length
        if tag in values:
            kind, value = values[tag]
            value += b" " * (len(value) % 2)
            out += struct.pack("<HH2sH", group, number, kind.encode(), len(value)) + value
        else:
            out += data[position:end]
        position = end
    return replace(each, header=bytes(out), pixels=b"" if position > len(data) else each.pixels)


def elsewhere(sent: Object, run: int, study: int = 2) -> Object:
    """Another object, in another study, under the UID of ``sent``."""
    other = one(study, run)
    header = other.header.replace(other.sop_uid.encode(), sent.sop_uid.encode())
    return replace(other, sop_uid=sent.sop_uid, header=header)


@pytest.mark.capability("1.1.7")
async def test_one_that_came_elsewhere_replaces_the_other_which_stays_as_a_version(ruled: Ruled) -> None:
    await ruled.policy(elsewhere="replace", kept_days=5)
    run = fresh_run()
    sent = one(1, run)
    moved = elsewhere(sent, run)
    await ruled.rig.store(sent)
    assert (await ruled.rig.store(moved)).result is Stored.NEW
    assert await ruled.rig.rows("SELECT study_uid, n_instances, n_series, state FROM study") == [
        (moved.study_uid, 1, 1, "visible")
    ]
    assert (await ruled.rig.stored(sent.sop_uid))[1] == moved.dataset
    assert await ruled.rig.rows("SELECT study_uid, sop_uid FROM superseded") == [(sent.study_uid, sent.sop_uid)]
    kinds = [row[0] for row in await ruled.rig.rows("SELECT kind FROM fact ORDER BY seq DESC LIMIT 2")]
    assert kinds == ["InstancesDeleted", "InstancesStored"]
    ((before, after),) = await ruled.rig.rows("SELECT before, after FROM journal WHERE action = 'replace'")
    assert (before["study"], after["study"], after["source"]) == (sent.study_uid, moved.study_uid, "TEST")
    assert await ruled.rig.faults() == []
    # The first place is free again: the object may come back to it.
    assert (await ruled.rig.store(sent)).result is Stored.NEW
    assert await ruled.rig.rows("SELECT study_uid, n_instances FROM study") == [(sent.study_uid, 1)]
    assert [each async for each in ruled.rig.consistency.orphans(SYSTEM)] == []


@pytest.mark.capability("1.1.7")
async def test_one_that_replaces_another_leaves_the_rest_of_that_study_alone(ruled: Ruled) -> None:
    await ruled.policy(elsewhere="replace")
    run = fresh_run()
    sent, sibling = objects("tiny", Study(run, 1), 2)
    await ruled.rig.store_all([sent, sibling])
    await ruled.rig.store(elsewhere(sent, run))
    counts = dict(await ruled.rig.rows("SELECT study_uid, n_instances FROM study"))
    assert counts == {sent.study_uid: 1, one(2, run).study_uid: 1}
    assert (await ruled.rig.store(sibling)).result is Stored.ALREADY


@pytest.mark.capability("1.1.7")
async def test_beside_keeps_both_under_one_uid_each_in_its_study(ruled: Ruled) -> None:
    await ruled.policy(elsewhere="beside")
    run = fresh_run()
    sent = one(1, run)
    second, third = elsewhere(sent, run, 2), elsewhere(sent, run, 3)
    for each in (sent, second, third):
        assert (await ruled.rig.store(each)).result is Stored.NEW
    rows = await ruled.rig.rows(
        "SELECT s.study_uid, i.copy FROM instance i JOIN study s ON s.pk = i.study_pk ORDER BY i.pk"
    )
    assert rows == [(sent.study_uid, 1), (second.study_uid, 2), (third.study_uid, 0)]
    # Each is known where it is, and none is taken twice.
    for each in (sent, second, third):
        assert (await ruled.rig.store(each)).result is Stored.ALREADY
    assert (await ruled.rig.store(changed(second))).result is Stored.CONFLICT
    assert await ruled.rig.value("SELECT sum(n_instances) FROM study") == 3
    assert await ruled.rig.faults() == []
    assert [each async for each in ruled.rig.consistency.orphans(SYSTEM)] == []


@pytest.mark.capability("1.1.7")
async def test_what_is_ignored_is_written_down_with_both_places(ruled: Ruled) -> None:
    await ruled.policy(elsewhere="ignore")
    run = fresh_run()
    sent = one(1, run)
    stranger = elsewhere(sent, run)
    await ruled.rig.store(sent)
    assert (await ruled.rig.store(stranger)).result is Stored.ALREADY
    ((before, after),) = await ruled.rig.rows("SELECT before, after FROM journal WHERE action = 'ignore'")
    assert (before["study"], after["study"]) == (sent.study_uid, stranger.study_uid)
    assert await ruled.rig.value("SELECT count(*) FROM instance") == 1
