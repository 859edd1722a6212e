"""Rules decide about an object before it is filed; the index and every way out see it as they made it."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bench.corpus import Object, Study, fresh_run, objects
from pydicom import dcmread
from tests.fixtures.taking_in import Rig

from filmroom.archive.corrections import Corrections
from filmroom.archive.identity import Refusal
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.rules import Coming, Decision, StoreRules
from filmroom.archive.rules_book import RuleBook
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden, NotFound, NotReadable
from filmroom.dicom.attributes import full_record
from filmroom.dicom.headertap import HeaderTap
from filmroom.security.principals import SYSTEM, person


@pytest.fixture
async def rules(rig: Rig) -> AsyncIterator[StoreRules]:
    made = StoreRules(rig.database, SystemClock())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def book(rig: Rig) -> RuleBook:
    return RuleBook(rig.database, SystemClock())


def one(kind: str = "ct") -> Object:
    return next(objects(kind, Study(fresh_run(), 1), 1))


def decide(rules: StoreRules, sent: Object, calling: str = "CT1", header: bytes | None = None) -> Decision:
    tap = HeaderTap(sent.transfer_syntax, rules.wanted)
    tap.feed((header or sent.header) + sent.pixels)
    return rules.decide(Coming(header=tap.finish(), calling=calling, door="dimse"))


@pytest.mark.capability("1.1.10")
async def test_without_rules_nothing_is_asked(rules: StoreRules) -> None:
    assert not rules.active
    decision = decide(rules, one())
    assert (decision.edit, decision.refusal) == (None, None)


@pytest.mark.capability("1.1.10", "1.3.5")
async def test_a_coerced_object_is_found_and_goes_out_as_the_rule_made_it(
    rig: Rig, rules: StoreRules, book: RuleBook, retrieve: Retrieve, corrections: Corrections
) -> None:
    sent = one()
    await book.put_rule(
        SYSTEM,
        "site prefix",
        condition="calling = CT1 and ImageType exists",
        actions=[{"prefix": "PatientID", "value": "H1-"}, {"set": "InstitutionName", "value": "圣安娜"}],
    )
    await book.put_rule(SYSTEM, "never", condition="calling = MR1", actions=[{"remove": "PatientID"}], priority=5)
    await rules.refresh()
    assert rules.active
    assert decide(rules, sent, "US1").edit is None
    decision = decide(rules, sent)
    assert decision.rules == ("site prefix",)
    record = full_record(decision.header)
    assert record.patient.patient_id.startswith("H1-P")
    assert (record.series.institution, record.sop_uid) == ("圣安娜", sent.sop_uid)

    await rig.store(sent)
    async with rig.database.transaction() as tx:
        await rules.record(tx, SystemClock().now(), [(sent.sop_uid, decision)])
    item = await retrieve.one(SYSTEM, sent.study_uid, sent.series_uid, sent.sop_uid)
    data = b"".join([chunk async for chunk in (await retrieve.file(item)).chunks])
    found = dcmread(io.BytesIO(data))
    assert (found.PatientID, found.InstitutionName) == (record.patient.patient_id, "圣安娜")
    assert found.OriginalAttributesSequence[0].ReasonForTheAttributeModification == "COERCE"
    assert found.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientID == found.PatientID[3:]
    entries = await corrections.journal(SYSTEM, target=f"study:{sent.study_uid}")
    assert [(each.action, each.after["rules"]) for each in entries] == [("coerce", ["site prefix"])]


@pytest.mark.capability("1.1.10")
async def test_order_and_stop(rules: StoreRules, book: RuleBook) -> None:
    def named(value: str) -> list[dict[str, Any]]:
        return [{"set": "StationName", "value": value}]

    await book.put_rule(SYSTEM, "a", condition="", actions=named("A"), priority=1)
    await book.put_rule(SYSTEM, "b", condition="", actions=named("B"), priority=2)
    await rules.refresh()
    assert decide(rules, one()).rules == ("b", "a")
    await book.put_rule(SYSTEM, "b", condition="", actions=named("B"), priority=2, stop=True)
    await rules.refresh()
    assert decide(rules, one()).rules == ("b",)
    await book.put_rule(SYSTEM, "b", condition="", actions=named("B"), priority=2, enabled=False)
    await book.remove_rule(SYSTEM, "a")
    await rules.refresh()
    assert not rules.active
    with pytest.raises(NotFound):
        await book.remove_rule(SYSTEM, "a")


@pytest.mark.capability("1.1.11")
async def test_the_cr_that_sends_gb18030_is_read_rightly(rules: StoreRules, book: RuleBook) -> None:
    sent = one()
    name = full_record(decide(rules, sent).header).patient.attributes["00100010"]["Value"][0]["Alphabetic"].encode()
    chinese = "王^小明".encode("gb18030").ljust(len(name))
    header = sent.header.replace(name.ljust(len(name) + len(name) % 2), chinese.ljust(len(name) + len(name) % 2), 1)
    await book.put_policy(SYSTEM, "CR1", "*", {"charset": "GB18030", "charset_repair": "detect"})
    await rules.refresh()
    decision = decide(rules, sent, "CR1", header)
    assert decision.edit is not None
    assert (decision.edit.charset, decision.rules) == ("GB18030", ("charset",))
    assert full_record(decision.header).patient.name_alphabetic == "王^小明"
    assert decide(rules, sent, "CR2", header).edit is None
    assert decide(rules, sent, "CR1").edit is None


@pytest.mark.capability("1.1.8")
async def test_the_closest_policy_counts(rules: StoreRules, book: RuleBook) -> None:
    await book.put_policy(SYSTEM, "*", "*", {"trusted_issuers": ["HOSP"]})
    await book.put_policy(SYSTEM, "CT1", "*", {"trusted_issuers": ["COUNTY"], "kept_days": 7})
    await rules.refresh()
    assert decide(rules, one(), "MR1").refusal is Refusal.ISSUER_NOT_TRUSTED
    assert decide(rules, one(), "CT1").refusal is None
    assert rules.policy("CT1", "FILMROOM").duplicates.kept_days == 7
    await book.remove_policy(SYSTEM, "CT1", "*")
    await rules.refresh()
    assert decide(rules, one(), "CT1").refusal is Refusal.ISSUER_NOT_TRUSTED
    assert rules.policy("CT1").duplicates.kept_days == 30


async def test_what_is_written_wrong_is_refused_with_the_reason(book: RuleBook) -> None:
    with pytest.raises(NotReadable, match="expected"):
        await book.put_rule(SYSTEM, "x", condition="Modality ==", actions=[])
    with pytest.raises(NotReadable):
        await book.put_rule(SYSTEM, "x", condition="", actions=[{"set": "StudyInstanceUID", "value": "1"}])
    with pytest.raises(NotReadable):
        await book.put_policy(SYSTEM, "CT1", "*", {"nonsense": True})
    with pytest.raises(Forbidden):
        await book.rules(person(1, "viewer", frozenset({"viewer"})))
    assert await book.rules(SYSTEM) == []
