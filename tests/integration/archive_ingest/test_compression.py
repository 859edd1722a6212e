"""Objects kept in another form: at receipt, later, proven the same, and never lossy without a rule that says so."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.corpus import Object, Study, fresh_run, objects
from pydicom import dcmread
from tests.fixtures.taking_in import SMALL, Rig, feed_in, taking_in

from filmroom.archive import compression_work
from filmroom.archive.compression import Compressor
from filmroom.archive.compression_lossy import LossyCompression
from filmroom.archive.compression_rounds import COMPRESS, QUEUE, YOUNGEST, Rounds
from filmroom.archive.delete import Deleting
from filmroom.archive.model import Stored
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.recovery import Recovery, forget_versions
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.rules import StoreRules
from filmroom.archive.rules_book import COMPRESSION, RuleBook
from filmroom.archive.seriesdoc import SeriesDocuments
from filmroom.base.clock import FixedClock, SystemClock
from filmroom.base.errors import NotReadable, Unsupported
from filmroom.base.ids import new_uid
from filmroom.db.jobs import Job
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM

pytestmark = pytest.mark.capability("1.1.13")
FORMS = {
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg-2000": "1.2.840.10008.1.2.4.90",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "jpeg-lossless": "1.2.840.10008.1.2.4.70",
    "rle": "1.2.840.10008.1.2.5",
}


@dataclass
class Press:
    """An archive that compresses. ``clock`` is the rounds' clock."""

    rig: Rig
    rules: StoreRules
    pixels: PixelPool
    compressor: Compressor
    rounds: Rounds
    clock: FixedClock
    retrieve: Retrieve

    async def rule(self, action: Mapping[str, Any], name: str = "press", when: str = "", priority: int = 0) -> None:
        book = RuleBook(self.rig.database, SystemClock())
        await book.put_rule(SYSTEM, name, condition=when, actions=[dict(action)], kind=COMPRESSION, priority=priority)
        await self.rules.refresh()

    async def round(self) -> list[Any]:
        """One whole round; what its jobs reported last."""
        await self.rounds.advance()
        found = await self.rig.rows(
            "SELECT pk, body FROM job WHERE kind = $1 AND queue = $2 AND state = 'waiting' AND due_at <= $3",
            COMPRESS,
            QUEUE,
            self.clock.now(),
        )
        told: list[Any] = []
        for pk, body in found:
            said: list[Any] = []

            async def report(progress: Any, said: list[Any] = said) -> None:
                said.append(progress)

            await self.rounds.page(Job(pk, COMPRESS, body, "system", 1, 10, None), report)
            await self.rig.rows("UPDATE job SET state = 'done' WHERE pk = $1 RETURNING pk", pk)
            told.append(said[-1])
        return told

    async def syntax(self, each: Object) -> str:
        return str(await self.rig.value("SELECT transfer_syntax FROM instance WHERE sop_uid = $1", each.sop_uid))

    async def file(self, each: Object) -> bytes:
        item = await self.retrieve.one(SYSTEM, each.study_uid, each.series_uid, each.sop_uid)
        return b"".join([chunk async for chunk in (await self.retrieve.file(item)).chunks])

    async def native(self, each: Object) -> bytes:
        """Decoded again."""
        item = await self.retrieve.one(SYSTEM, each.study_uid, each.series_uid, each.sop_uid)
        handout = await self.retrieve.handout(item, (each.transfer_syntax,))
        return b"".join([chunk async for chunk in handout.chunks])


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> AsyncIterator[Press]:
    clock, pixels = SystemClock(), PixelPool(1)
    rules = StoreRules(database, clock)
    late = FixedClock(clock.now() + YOUNGEST * 2)
    async with taking_in(database, tmp_path / "store", rules=rules, pixels=pixels) as rig:
        await rules.refresh()
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        compressor = Compressor(database, rig.online, rig.blobs, pixels, rig.feed, late)
        unique = iter(range(1, 1000))
        lossy = LossyCompression(
            rig.blobs,
            pixels,
            rig.ingest,
            Deleting(database, rig.online, clock),
            compressor,
            lambda: new_uid(lambda: next(unique)),
        )
        rounds = Rounds(database, rig.blobs, rules, compressor, lossy, late)
        retrieve = Retrieve(database, rig.blobs, pixels, scratch=scratch)
        yield Press(rig, rules, pixels, compressor, rounds, late, retrieve)
        await compressor.stop()
    await pixels.close()


def ct(count: int = 1) -> list[Object]:
    """Slices that can be compressed: a gradient."""
    made = list(objects("ct", Study(fresh_run(), 1), count))
    ramp = (np.add.outer(np.arange(512), np.arange(512)) % 4096).astype("<u2").tobytes()
    return [replace(each, pixels=_with_pixels(each.pixels, ramp)) for each in made]


def _with_pixels(element: bytes, pixels: bytes) -> bytes:
    return element[: len(element) - len(pixels)] + pixels


@pytest.mark.parametrize("form", FORMS)
async def test_at_receipt_an_object_is_compressed_before_it_is_answered(press: Press, form: str) -> None:
    await press.rule({"compress": form, "when": "receipt"}, when="Modality = CT")
    (sent,) = ct()
    outcome = await press.rig.store(sent)
    assert outcome.result is Stored.NEW
    assert await press.syntax(sent) == FORMS[form]
    before, after = dcmread(BytesIO(sent.part10())), dcmread(BytesIO(await press.file(sent)))
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert await press.native(sent) == sent.dataset
    assert len(after.PixelData) < len(before.PixelData)
    assert "LossyImageCompression" not in after or after.LossyImageCompression == "00"
    assert [each for each in before if each.tag < 0x7FE00000] == [each for each in after if each.tag < 0x7FE00000]
    assert await press.rig.faults() == []  # digests, sizes and places agree
    received = hashlib.sha256(sent.dataset).digest()
    assert await press.rig.rows("SELECT state, received_digest, received_syntax FROM compression") == [
        ("done", received, sent.transfer_syntax)
    ]
    ((kind, body),) = await press.rig.rows("SELECT kind, body FROM fact ORDER BY seq DESC LIMIT 1")
    assert (kind, body["transfer_syntax"], body["rule"]) == ("InstancesCompressed", FORMS[form], "press")
    assert body["saved_bytes"] > 0


async def test_the_same_object_sent_again_is_known_in_either_form(press: Press) -> None:
    await press.rule({"compress": "jpeg-ls", "when": "receipt"})
    (sent,) = ct()
    await press.rig.store(sent)
    stored = await press.file(sent)
    assert (await press.rig.store(sent)).result is Stored.ALREADY
    assert (await press.rig.store_file(stored)).result is Stored.ALREADY
    other = replace(sent, pixels=sent.pixels[:-2] + b"\1\0")
    assert (await press.rig.store(other)).result is Stored.CONFLICT
    assert await press.rig.value("SELECT n_instances FROM study") == 1


async def test_the_received_form_stays_as_long_as_the_rule_says_and_then_goes(press: Press) -> None:
    await press.rule({"compress": "htj2k", "when": "receipt", "kept_days": 3})
    (sent,) = ct()
    await press.rig.store(sent)
    ((reason, expires),) = await press.rig.rows("SELECT reason, expires_at FROM superseded")
    assert reason == "compressed by rule press"
    rig, clock = press.rig, press.clock
    assert await forget_versions(rig.database, rig.online, FixedClock(clock.now() + timedelta(days=2))) == 0
    assert await forget_versions(rig.database, rig.online, FixedClock(expires + timedelta(seconds=1))) == 1
    assert [each async for each in rig.consistency.orphans(SYSTEM)] == []
    assert await press.native(sent) == sent.dataset


async def test_later_a_round_compresses_what_is_old_enough_and_says_so_in_its_job(press: Press) -> None:
    sent = ct(3)
    await press.rig.store_all(sent)
    await press.rule({"compress": "jpeg-ls", "after_days": 30}, when="Modality = CT and calling = TEST")
    assert await press.round() == []
    press.clock.at += timedelta(days=31)
    ((tally),) = await press.round()
    assert (tally["looked_at"], tally["compressed"], tally["left"]) == (3, 3, 0)
    assert tally["after_bytes"] < tally["before_bytes"]
    assert {await press.syntax(each) for each in sent} == {FORMS["jpeg-ls"]}
    assert await press.round() == []  # once over everything
    totals, _ = await press.rounds.totals(SYSTEM)
    assert [(each.rule, each.state, each.objects) for each in totals] == [("press", "done", 3)]
    assert await press.rig.faults() == []


async def test_rules_are_asked_in_their_order_and_none_leaves_objects_alone(press: Press) -> None:
    sent = ct(2)
    await press.rig.store_all(sent)
    await press.rule({"compress": "jpeg-ls"})
    await press.rule({"compress": "none"}, name="research", when=f"StudyInstanceUID = {sent[0].study_uid}", priority=5)
    await press.round()
    assert {await press.syntax(each) for each in sent} == {sent[0].transfer_syntax}


async def test_a_rule_at_receipt_goes_round_for_what_came_before_it(press: Press) -> None:
    (sent,) = ct()
    await press.rig.store(sent)
    await press.rule({"compress": "rle", "when": "receipt"})
    await press.round()
    assert await press.syntax(sent) == FORMS["rle"]


async def test_outside_its_hours_or_while_objects_come_in_a_round_goes_on_later(press: Press) -> None:
    sent = ct(2)
    await press.rig.store_all(sent)
    press.clock.at = press.clock.now().astimezone().replace(hour=12, minute=0) + timedelta(days=2)
    await press.rule({"compress": "jpeg-ls", "hours": ["20:00-06:00"]})
    assert await press.round() == []
    ((due),) = [row[0] for row in await press.rig.rows("SELECT due_at FROM job WHERE kind = $1", COMPRESS)]
    assert due.astimezone().hour == 20
    press.clock.at = due + timedelta(minutes=1)
    assert [each["compressed"] for each in await press.round()] == [2]


async def test_what_would_not_get_smaller_or_has_no_pixels_stays_and_why_is_known(press: Press) -> None:
    (noise,) = objects("ct", Study(fresh_run(), 1), 1)
    noise = replace(noise, pixels=_with_pixels(noise.pixels, np.random.default_rng(1).bytes(512 * 512 * 2)))
    (bare,) = objects("tiny", Study(fresh_run(), 2), 1)
    await press.rule({"compress": "rle", "when": "receipt"})
    for each in (noise, bare):
        assert (await press.rig.store(each)).result is Stored.NEW
        assert (await press.rig.stored(each.sop_uid))[1] == each.dataset
    _, reasons = await press.rounds.totals(SYSTEM)
    assert any("smaller" in each.reason for each in reasons)
    assert sum(each.objects for each in reasons) == 2


async def test_pixels_that_would_differ_are_never_replaced(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    (sent,) = ct()
    await press.rule({"compress": "jpeg-ls", "when": "receipt"})

    async def broken(*_: Any, **__: Any) -> Any:
        raise compression_work.NotTheSame("frame 1 would not be the same")

    monkeypatch.setattr(press.pixels, "run", broken)
    assert (await press.rig.store(sent)).result is Stored.NEW
    assert (await press.rig.stored(sent.sop_uid))[1] == sent.dataset
    assert await press.rig.rows("SELECT state, reason FROM compression") == [("left", "frame 1 would not be the same")]


def test_a_form_that_loses_a_bit_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filmroom.archive.pixeltasks import StoredData, transcode_to_file

    (sent,) = ct()
    source = tmp_path / "source"
    source.write_bytes(sent.dataset)

    def lossy(where: StoredData, syntax: str, rules: Any, target: str) -> dict[str, int]:
        other = tmp_path / "other"
        other.write_bytes(sent.dataset[:-2] + b"\1\0")
        return transcode_to_file(
            StoredData(str(other), 0, len(sent.dataset), sent.transfer_syntax), syntax, rules, target
        )

    monkeypatch.setattr(compression_work, "transcode_to_file", lossy)
    where = StoredData(str(source), 0, len(sent.dataset), sent.transfer_syntax)
    with pytest.raises(compression_work.NotTheSame, match="frame 1"):
        compression_work.compress(where, FORMS["jpeg-ls"], str(tmp_path / "made"))
    assert not (tmp_path / "made").exists()


async def test_metadata_and_a_transcoded_retrieve_follow_the_new_form(press: Press) -> None:
    (sent,) = ct()
    documents = SeriesDocuments(press.rig.database, press.rig.blobs, press.pixels, SystemClock(), press.rig.feed)
    await press.rig.store(sent)
    first = await documents.series_metadata(SYSTEM, sent.study_uid, sent.series_uid)
    await press.rule({"compress": "jpeg-ls"})
    await press.round()
    second = await documents.series_metadata(SYSTEM, sent.study_uid, sent.series_uid)
    assert first.etag != second.etag
    assert FORMS["jpeg-ls"].encode() in second.json
    assert await press.native(sent) == sent.dataset  # bit for bit what was received
    await documents.stop()


async def test_bytes_that_a_crash_left_without_a_row_are_known_for_what_they_are(press: Press) -> None:
    (sent,) = ct()
    await press.rule({"compress": "jpeg-ls"})
    await press.rig.store(sent)

    async def crash(*_: Any, **__: Any) -> Any:
        raise Unsupported("killed")

    replace_it, press.compressor._replace = press.compressor._replace, crash  # type: ignore[method-assign]
    await press.round()
    press.compressor._replace = replace_it  # type: ignore[method-assign]
    await press.rig.rows("UPDATE compression SET state = 'making' RETURNING state")
    await press.compressor.stop()
    rig = press.rig
    (orphan,) = [each async for each in rig.consistency.orphans(SYSTEM)]
    recovery = Recovery(rig.consistency, rig.online, rig.blobs, rig.ingest)
    outcome = await recovery.adopt(SYSTEM, orphan)
    assert outcome is not None
    assert outcome.result is Stored.ALREADY
    assert [each async for each in rig.consistency.orphans(SYSTEM)] == []
    assert await rig.faults() == []


async def test_a_deletion_while_it_is_compressed_wins(press: Press) -> None:
    (sent,) = ct()
    await press.rule({"compress": "jpeg-ls"})
    await press.rig.store(sent)
    made = press.compressor._made

    async def slow(*args: Any) -> Any:
        answer = await made(*args)
        await Deleting(press.rig.database, press.rig.online, SystemClock()).delete(SYSTEM, sent.study_uid)
        return answer

    press.compressor._made = slow  # type: ignore[method-assign]
    ((tally),) = await press.round()
    assert (tally["compressed"], tally["left"]) == (0, 1)
    assert await press.syntax(sent) == sent.transfer_syntax


async def test_lossy_makes_a_derived_object_by_explicit_rule(press: Press) -> None:
    """PS3.3 C.7.6.1.1.5 (ratio, method) and C.12.4.1 (a derived object has a UID of its own)."""
    (sent,) = ct()
    await press.rig.store(sent)
    rule = {"compress": "jpeg-2000-lossy", "lossy": True, "original": "delete", "options": {"psnr_db": 40}}
    await press.rule(rule)
    ((tally),) = await press.round()
    assert tally["compressed"] == 1
    rows = await press.rig.rows("SELECT sop_uid, state, transfer_syntax FROM instance ORDER BY pk")
    assert rows[0][:2] == (sent.sop_uid, "deleted")
    assert rows[1][1:] == ("visible", "1.2.840.10008.1.2.4.91")
    item = await press.retrieve.one(SYSTEM, sent.study_uid, sent.series_uid, rows[1][0])
    data = b"".join([chunk async for chunk in (await press.retrieve.file(item)).chunks])
    made = dcmread(BytesIO(data))
    assert (made.SOPInstanceUID, made.LossyImageCompression) == (rows[1][0], "01")
    assert made.LossyImageCompressionMethod == "ISO_15444_1"
    assert float(made.LossyImageCompressionRatio) > 1
    assert made.ImageType[0] == "DERIVED"
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == sent.sop_uid
    assert [each["compressed"] for each in await press.round()] == [0]  # what has lost already is left alone


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"compress": "jpeg-lossy"}, "lossy: true"),
        ({"compress": "jpeg-lossy", "lossy": True, "when": "receipt"}, "filed first"),
        ({"compress": "jpeg-ls", "lossy": True}, "loses nothing"),
        ({"compress": "1.2.840.10008.1.2.1"}, "compress is one of"),
        ({"compress": "jpeg-ls", "hours": ["25:00-26:00"]}, "hours"),
        ({"compress": "jpeg-ls", "when": "receipt", "idle": True}, "later"),
        ({"compress": "jpeg-ls", "quality": 3}, "no key"),
    ],
)
async def test_a_rule_that_cannot_be_meant_is_refused(press: Press, action: dict[str, Any], why: str) -> None:
    with pytest.raises(NotReadable, match=why):
        await press.rule(action)


async def test_a_large_object_goes_to_a_file_of_its_own_in_its_new_form_too(press: Press) -> None:
    (sent,) = ct()
    await press.rule({"compress": "jpeg-ls", "when": "receipt"})
    press.rig.online.settings = replace(SMALL, pack_below_bytes=1000)
    assert (await feed_in(press.rig.begin(sent), sent.dataset, 1 << 20)).result is Stored.NEW
    assert (await press.rig.value("SELECT key FROM location")).startswith("file/")
    assert await press.rig.faults() == []
    assert await press.native(sent) == sent.dataset
