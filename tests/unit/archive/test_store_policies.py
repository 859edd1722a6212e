"""Duplicates, whose object it is, and what a further object changes: each decision by itself."""

from typing import Any

import pytest

from filmroom.archive.duplicates import (
    REPLACING_HELP,
    Copy,
    Duplicate,
    DuplicatePolicy,
    Elsewhere,
    NotReplaced,
    Replacing,
    decide,
)
from filmroom.archive.identity import (
    REFUSAL_STATUS,
    IdentityPolicy,
    MissingId,
    OtherPatient,
    Refusal,
    StudyPatient,
    admit,
    examine,
    made_id,
)
from filmroom.archive.rules_update import UPDATE_HELP, Update, updated

HERE = Copy("1.1", "1.1.1", "CT1", b"a")
R, D = Replacing, Duplicate


@pytest.mark.capability("1.1.6")
@pytest.mark.parametrize(
    ("replacing", "same_bytes", "other_bytes", "other_source"),
    [
        (R.NEVER, D.ALREADY, D.CONFLICT, D.CONFLICT),
        (R.IF_DIFFERENT, D.ALREADY, D.REPLACE, D.REPLACE),
        (R.SAME_SOURCE, D.ALREADY, D.REPLACE, D.CONFLICT),
        (R.SAME_SERIES, D.ALREADY, D.REPLACE, D.REPLACE),
        (R.SAME_SOURCE_AND_SERIES, D.ALREADY, D.REPLACE, D.CONFLICT),
        (R.ALWAYS, D.REPLACE, D.REPLACE, D.REPLACE),
    ],
)
def test_the_same_uid_again(replacing: R, same_bytes: D, other_bytes: D, other_source: D) -> None:
    policy = DuplicatePolicy(replacing=replacing)
    assert decide(HERE, Copy("1.1", "1.1.1", "CT1", b"a"), policy).what is same_bytes
    assert decide(HERE, Copy("1.1", "1.1.1", "CT1", b"b"), policy).what is other_bytes
    assert decide(HERE, Copy("1.1", "1.1.1", "CT2", b"b"), policy).what is other_source


@pytest.mark.capability("1.1.6")
def test_a_silent_ignore() -> None:
    policy = DuplicatePolicy(not_replaced=NotReplaced.IGNORE)
    assert decide(HERE, Copy("1.1", "1.1.1", "CT1", b"b"), policy).what is D.IGNORE


@pytest.mark.capability("1.1.7")
@pytest.mark.parametrize(
    ("elsewhere", "what"),
    [
        (Elsewhere.QUARANTINE, D.CONFLICT),
        (Elsewhere.IGNORE, D.IGNORE),
        (Elsewhere.REJECT, D.REJECT),
        (Elsewhere.REPLACE, D.REPLACE),
        (Elsewhere.BESIDE, D.BESIDE),
    ],
)
def test_the_same_uid_in_another_series_or_study(elsewhere: Elsewhere, what: D) -> None:
    policy = DuplicatePolicy(replacing=R.SAME_SOURCE, elsewhere=elsewhere)
    assert decide(HERE, Copy("1.1", "1.1.2", "CT1", b"b"), policy).what is what
    assert decide(HERE, Copy("1.2", "1.1.1", "CT1", b"b"), policy).reason.endswith("another study")


def test_every_choice_has_its_sentence() -> None:
    assert set(REPLACING_HELP) == set(Replacing)
    assert set(UPDATE_HELP) == set(Update)
    assert set(REFUSAL_STATUS) == set(Refusal)


@pytest.mark.capability("1.1.8")
def test_an_object_without_patient_id() -> None:
    assert admit("", "", "1.1", IdentityPolicy()).refusal is None
    assert admit("", "", "1.1", IdentityPolicy(missing_id=MissingId.REJECT)).refusal is Refusal.PATIENT_ID_MISSING
    made = admit("", "", "1.1", IdentityPolicy(missing_id=MissingId.CREATE, default_issuer="HOSP"))
    assert made.changes == {
        "00100020": {"vr": "LO", "Value": [made_id("1.1")]},
        "00100021": {"vr": "LO", "Value": ["HOSP"]},
    }
    assert made_id("1.1") == made_id("1.1") != made_id("1.2")


@pytest.mark.capability("1.1.8")
def test_issuers() -> None:
    policy = IdentityPolicy(trusted_issuers=frozenset({"HOSP"}))
    assert admit("1", "HOSP", "1.1", policy).refusal is None
    assert admit("1", "ELSE", "1.1", policy).refusal is Refusal.ISSUER_NOT_TRUSTED
    assert admit("1", "", "1.1", policy).refusal is Refusal.ISSUER_NOT_TRUSTED
    given = IdentityPolicy(trusted_issuers=frozenset({"HOSP"}), default_issuer="HOSP")
    assert admit("1", "", "1.1", given).changes == {"00100021": {"vr": "LO", "Value": ["HOSP"]}}


def name(alphabetic: str, ideographic: str = "") -> dict[str, Any]:
    groups = {"Alphabetic": alphabetic} | ({"Ideographic": ideographic} if ideographic else {})
    return {"00100010": {"vr": "PN", "Value": [groups]}}


@pytest.mark.capability("1.1.8")
def test_another_patient_in_a_study_that_is_here() -> None:
    here = StudyPatient([("1", "")], [("2", "")], {})
    for how, mine, merged, foreign in (
        (OtherPatient.ACCEPT, None, None, None),
        (OtherPatient.REJECT, None, Refusal.PATIENT_CONFLICT, Refusal.PATIENT_CONFLICT),
        (OtherPatient.MERGE, None, None, Refusal.PATIENT_CONFLICT),
    ):
        policy = IdentityPolicy(other_patient=how)
        assert examine(here, ("1", ""), {}, policy).refusal is mine
        assert examine(here, ("2", ""), {}, policy).refusal is merged
        assert examine(here, ("3", ""), {}, policy).refusal is foreign


@pytest.mark.capability("1.1.8")
def test_names_are_compared_as_people_mean_them() -> None:
    policy = IdentityPolicy(compare=("PatientName", "PatientBirthDate"))
    here = StudyPatient([("1", "")], [], name("Müller^Anna", "王^小明"))
    for same in (name("MULLER ^ANNA^^"), name("Müller^Anna"), name("", "王^小明"), {}):
        assert examine(here, ("1", ""), same, policy).refusal is None
    found = examine(here, ("1", ""), name("Meier^Anna"), policy)
    assert (found.refusal, found.reason) == (Refusal.PATIENT_DIFFERS, "differs from the patient: PatientName")


A = {"vr": "LO", "Value": ["a"]}
B = {"vr": "LO", "Value": ["b"]}
EMPTY: dict[str, Any] = {"vr": "LO"}


@pytest.mark.capability("1.1.9")
@pytest.mark.parametrize(
    ("how", "made"),
    [
        (Update.PRESERVE, {"1": A, "2": EMPTY, "3": A}),
        (Update.SUPPLEMENT, {"1": A, "2": B, "3": A, "4": B}),
        (Update.MERGE, {"1": B, "2": B, "3": A, "4": B}),
        (Update.OVERWRITE, {"1": B, "2": B, "3": EMPTY, "4": B}),
        (Update.REPLACE, {"1": B, "2": B, "3": EMPTY, "4": B}),
    ],
)
def test_what_a_further_object_changes(how: Update, made: dict[str, Any]) -> None:
    here, coming = {"1": A, "2": EMPTY, "3": A}, {"1": B, "2": B, "3": EMPTY, "4": B}
    assert updated(here, coming, how) == made
    assert updated(here, here, how) is here


@pytest.mark.capability("1.1.9")
def test_what_was_corrected_is_kept_and_replace_forgets_the_rest() -> None:
    assert updated({"1": A, "2": A, "3": A}, {"1": B}, Update.REPLACE, frozenset({"2"})) == {"1": B, "2": A}
    for how in Update:
        assert updated({"2": A}, {"2": B}, how, frozenset({"2"})) == {"2": A}


def test_items_are_supplemented_when_there_are_as_many() -> None:
    one = {"S": {"vr": "SQ", "Value": [{"1": A}]}}
    assert updated(one, {"S": {"vr": "SQ", "Value": [{"2": B}]}}, Update.SUPPLEMENT) == {
        "S": {"vr": "SQ", "Value": [{"1": A, "2": B}]}
    }
    assert updated(one, {"S": {"vr": "SQ", "Value": [{}, {}]}}, Update.SUPPLEMENT) is one
