"""Every role and scope at every door: what one hides, no other shows, counts included.

The oracle is ``security.policy.sees``, the pure decision; the doors are asked through the same use cases that C-FIND,
C-MOVE, C-GET, QIDO, WADO and the API call.
"""

import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.fixtures.indexed import index_some, own_schema

from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.query import Query
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.sight import Sight
from filmroom.base.errors import NotFound
from filmroom.db.pool import Database
from filmroom.dicom.names import normalise_name
from filmroom.dicom.question import All, AnyOf, Key, Level, Question, Single
from filmroom.security.policy import dressed, sees
from filmroom.security.principals import Kind, Principal
from filmroom.security.roles import READY, Action, Grant
from filmroom.security.scopes import WHOLE, Scope, Subject
from filmroom.storage.blobs import Blobs

pytestmark = [pytest.mark.capability("6.3.2"), pytest.mark.asyncio(loop_scope="module")]

ME = "person:7"
SCOPES = {
    "whole": WHOLE,
    "site": Scope(sites=frozenset({"North"})),
    "department": Scope(departments=frozenset({"CT room"})),
    "modality": Scope(modalities=frozenset({"CT"})),
    "modality with priors": Scope(modalities=frozenset({"CT"}), priors=True),
    "referring me": Scope(referring_me=True),
    "referring me with priors": Scope(referring_me=True, priors=True),
    "assigned to me": Scope(assigned_to_me=True),
    "patient list": Scope(patient_lists=frozenset({"ward 5"})),
    "not sensitive": Scope(max_sensitivity=2),
    "de-identified": Scope(deidentified_only=True),
    "one study": Scope(studies=frozenset({"1.9.3"})),
    "CT of the site, not sensitive": Scope(
        sites=frozenset({"North"}), modalities=frozenset({"CT"}), max_sensitivity=2, priors=True
    ),
    "nothing": Scope(sites=frozenset({"Nowhere"})),
}
ROLES = {
    **{name: READY[name] for name in READY if Action.VIEW in READY[name].actions},
}


@dataclass(frozen=True)
class Case:
    """One study of the population: its series are (modality) in order."""

    number: int
    patient: str
    modalities: tuple[str, ...]
    site: str = ""
    department: str = ""
    referring: str = ""
    assigned: bool = False
    listed: bool = False
    sensitivity: int = 0
    protected: bool = False
    deidentified: bool = False

    @property
    def uid(self) -> str:
        return f"1.9.{self.number}"

    def subjects(self) -> list[Subject]:
        return [
            Subject(
                study_uid=self.uid,
                site=self.site,
                department=self.department,
                modality=modality,
                referring=normalise_name(self.referring),
                assignees=frozenset({ME} if self.assigned else ()),
                patient_lists=frozenset({"ward 5"} if self.listed else ()),
                deidentified=self.deidentified,
                sensitivity=self.sensitivity,
                protected=self.protected,
            )
            for modality in self.modalities
        ]


CASES = (
    Case(1, "A", ("CT", "MR"), site="North", referring="Smith^Jane"),
    Case(2, "A", ("MR",), site="South", sensitivity=5),
    Case(3, "B", ("CT",), site="South", department="CT room", assigned=True, listed=True),
    Case(4, "B", ("MR", "SR"), department="MR room", listed=True),
    Case(5, "C", ("CT", "SR"), site="North", protected=True),
    Case(6, "C", ("MR",), site="North", sensitivity=9, protected=True),
    Case(7, "D", ("CT",), deidentified=True),
    Case(8, "D", ("MR",), deidentified=True, sensitivity=9),
    Case(9, "E", ("MR",), site="North", department="CT room", sensitivity=2),
)


def _one(vr: str, value: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value not in ("", None) else {"vr": vr}


def _datasets(case: Case) -> list[dict[str, Any]]:
    return [
        {
            "00080016": _one("UI", "1.2.840.10008.5.1.4.1.1.2"),
            "00080018": _one("UI", f"{case.uid}.{n}.1"),
            "00080020": _one("DA", f"202611{10 + case.number}"),
            "00080050": _one("SH", f"ACC{case.number}"),
            "00080060": _one("CS", modality),
            "00080090": _one("PN", {"Alphabetic": case.referring}) if case.referring else {"vr": "PN"},
            "00100010": _one("PN", {"Alphabetic": f"Patient^{case.patient}"}),
            "00100020": _one("LO", case.patient),
            "00120062": _one("CS", "YES" if case.deidentified else "NO"),
            "0020000D": _one("UI", case.uid),
            "0020000E": _one("UI", f"{case.uid}.{n}"),
            "00200011": _one("IS", n),
        }
        for n, modality in enumerate(case.modalities, 1)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def population(database_url: str) -> AsyncIterator[Database]:
    async for database in _filled(database_url):
        yield database


async def _filled(database_url: str) -> AsyncIterator[Database]:
    async with own_schema(database_url) as database:
        for case in CASES:
            await index_some(database, _datasets(case))
        async with database.transaction() as tx:
            for name in ("North", "South"):
                await tx.execute("INSERT INTO site (name) VALUES ($1)", name)
            for name in ("CT room", "MR room"):
                await tx.execute("INSERT INTO department (site_pk, name) SELECT min(pk), $1 FROM site", name)
            await tx.execute("INSERT INTO patient_list (name) VALUES ('ward 5')")
            for case in CASES:
                await _mark(tx, case)
        yield database


async def _mark(tx: Any, case: Case) -> None:
    pk, patient = await tx.fetchrow("SELECT pk, patient_pk FROM study WHERE study_uid = $1", case.uid)
    await tx.execute(
        "UPDATE study SET sensitivity = $2, site_pk = (SELECT pk FROM site WHERE name = $3),"
        " department_pk = (SELECT pk FROM department WHERE name = $4) WHERE pk = $1",
        pk, case.sensitivity, case.site, case.department,
    )  # fmt: skip
    if case.assigned:
        await tx.execute("INSERT INTO study_assignee VALUES ($1, $2)", pk, ME)
    if case.listed:
        await tx.execute(
            "INSERT INTO patient_list_member SELECT min(pk), $1 FROM patient_list ON CONFLICT DO NOTHING", patient
        )
    if case.protected:
        await tx.execute(
            "INSERT INTO protected_patient VALUES ($1, 'vip', '', 'x', now()) ON CONFLICT DO NOTHING", patient
        )


def somebody(role: str, scope: Scope, *, device: bool = False) -> Principal:
    """A person or device with one role, narrowed by a scope, as the role book makes them."""
    from filmroom.security.scopes import narrowed

    kind = Kind.DEVICE if device else Kind.PERSON
    bare = Principal(ME, "rita", kind, frozenset({role}))
    grant = Grant(role, ROLES[role].actions, narrowed(ROLES[role].scopes, scope))
    return dressed(bare, [grant], names=frozenset({normalise_name("Smith^Jane")}), protecting=True)


def expected(who: Principal) -> dict[str, list[str]]:
    """Series UIDs in sight by study, as the pure decision has it."""
    found: dict[str, list[str]] = {}
    for _, of_patient in itertools.groupby(CASES, key=lambda case: case.patient):
        cases = list(of_patient)
        subjects = [(case, n, s) for case in cases for n, s in enumerate(case.subjects(), 1)]
        verdicts = sees(who.view, [s for *_, s in subjects])
        for (case, n, _), seen in zip(subjects, verdicts, strict=True):
            if seen:
                found.setdefault(case.uid, []).append(f"{case.uid}.{n}")
    return found


class Doors:
    """What each door shows of everything."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.query = Query(database, retrieve_ae_title="FILMROOM")
        self.sight = Sight(time.monotonic)
        self.retrieve = Retrieve(database, Blobs([]), PixelPool(1), scratch=folder, sight=self.sight)

    async def studies(self, who: Principal, *keys: Key) -> dict[str, Any]:
        question = Question(level=Level.STUDY, keys=keys, returns=All())
        return {each["0020000D"]["Value"][0]: each async for each in self.query.find(who, question)}

    async def below(self, who: Principal, level: Level, tag: str) -> set[str]:
        question = Question(level=level, keys=(), returns=All())
        return {each[tag]["Value"][0] async for each in self.query.find(who, question)}

    async def counts(self, who: Principal, level: Level) -> int:
        return await self.query.count(who, Question(level=level, keys=(), returns=()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(population: Database, tmp_path_factory: pytest.TempPathFactory) -> Doors:
    return Doors(population, tmp_path_factory.mktemp("doors"))


EVERYBODY = [(role, scope, device) for role in ROLES for scope in SCOPES for device in (False, True)]


@pytest.mark.parametrize(("role", "scope", "device"), EVERYBODY)
async def test_no_door_shows_what_another_hides(doors: Doors, role: str, scope: str, device: bool):
    who = somebody(role, SCOPES[scope], device=device)
    seen = expected(who)
    series = {uid for each in seen.values() for uid in each}

    studies = await doors.studies(who)
    assert set(studies) == set(seen)
    assert await doors.below(who, Level.SERIES, "0020000E") == series
    assert await doors.below(who, Level.IMAGE, "00080018") == {f"{uid}.1" for uid in series}
    patients = {case.patient for case in CASES if case.uid in seen}
    assert await doors.below(who, Level.PATIENT, "00100020") == patients

    assert await doors.counts(who, Level.STUDY) == len(seen)
    assert await doors.counts(who, Level.SERIES) == len(series)
    assert await doors.counts(who, Level.IMAGE) == len(series)
    assert await doors.counts(who, Level.PATIENT) == len(patients)

    by_study = await doors.retrieve.locate(who, studies=[case.uid for case in CASES])
    assert {item.series_uid for item in by_study} == series
    every = [f"{case.uid}.{n}" for case in CASES for n in range(1, 3)]
    assert {item.series_uid for item in await doors.retrieve.locate(who, series=every)} == series
    found = await doors.retrieve.locate(who, instances=[f"{uid}.1" for uid in every])
    assert {item.series_uid for item in found} == series
    for patient in "ABCDE":
        of_patient = await doors.retrieve.locate(who, patient=(patient, None))
        there = {item.study_uid for item in of_patient}
        assert there == {case.uid for case in CASES if case.patient == patient and case.uid in seen}


@pytest.mark.parametrize(("role", "scope"), [(role, scope) for role in ("viewer", "clinician") for scope in SCOPES])
async def test_what_a_study_consists_of_counts_only_what_is_seen(doors: Doors, role: str, scope: str):
    who = somebody(role, SCOPES[scope])
    seen = expected(who)
    for uid, answer in (await doors.studies(who)).items():
        case = next(case for case in CASES if case.uid == uid)
        there = sorted({case.modalities[int(s.rsplit(".", 1)[1]) - 1] for s in seen[uid]})
        assert answer["00080061"]["Value"] == there
        assert answer["00201206"]["Value"] == [len(seen[uid])]
        assert answer["00201208"]["Value"] == [len(seen[uid])]
    returns = ((0x00201200,), (0x00201202,), (0x00201204,))
    question = Question(level=Level.PATIENT, keys=(), returns=returns)
    async for answer in doors.query.find(who, question):
        mine = [case for case in CASES if case.patient == answer["00100020"]["Value"][0] and case.uid in seen]
        assert answer["00201200"]["Value"] == [len(mine)]
        assert answer["00201202"]["Value"] == [sum(len(seen[case.uid]) for case in mine)]
        assert answer["00201204"]["Value"] == [sum(len(seen[case.uid]) for case in mine)]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("modality", ["CT", "MR", "SR"])
@pytest.mark.parametrize("tag", [0x00080060, 0x00080061])
async def test_a_question_does_not_find_out_what_an_answer_would_hide(
    doors: Doors, scope: str, modality: str, tag: int
):
    who = somebody("viewer", SCOPES[scope])
    seen = expected(who)
    having = {
        uid
        for uid, series in seen.items()
        if modality in {next(c for c in CASES if c.uid == uid).modalities[int(s.rsplit(".", 1)[1]) - 1] for s in series}
    }
    for match in (Single(modality), AnyOf((modality, "XX"))):
        key = Key((tag,), "CS", match)
        assert set(await doors.studies(who, key)) == having
        question = Question(level=Level.STUDY, keys=(key,), returns=())
        assert await doors.query.count(who, question) == len(having)


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_patient_is_not_found_by_a_study_that_is_out_of_sight(doors: Doors, scope: str):
    who = somebody("viewer", SCOPES[scope])
    seen = expected(who)
    for case in CASES:
        question = Question(
            level=Level.PATIENT, keys=(Key((0x00080050,), "SH", Single(f"ACC{case.number}")),), returns=()
        )
        assert await doors.query.count(who, question) == (1 if case.uid in seen else 0)


async def test_broken_glass_shows_one_patient_to_one_person_for_a_time(doors: Doors, population: Database):
    who = somebody("viewer", SCOPES["site"])
    other = replace(who, id="person:8", view=replace(who.view, me="person:8"))
    async with population.transaction() as tx:
        patient = await tx.fetchval("SELECT patient_pk FROM study WHERE study_uid = '1.9.6'")
        await tx.execute(
            "INSERT INTO broken_glass (principal, name, patient_pk, reason, at, expires_at)"
            " VALUES ($1, 'rita', $2, 'emergency', now(), now() + interval '1 hour')",
            ME, patient,
        )  # fmt: skip
    doors.sight.forget()
    assert {"1.9.5", "1.9.6"} <= set(await doors.studies(who))
    assert len(await doors.retrieve.locate(who, studies=["1.9.6"])) == 1
    assert not {"1.9.5", "1.9.6"} & set(await doors.studies(other))
    async with population.transaction() as tx:
        await tx.execute("UPDATE broken_glass SET expires_at = now() - interval '1 second'")
    doors.sight.forget()
    assert not {"1.9.5", "1.9.6"} & set(await doors.studies(who))
    assert not await doors.retrieve.locate(who, studies=["1.9.6"])


@pytest.mark.capability("6.3.4")
async def test_opening_a_study_of_two_thousand_frames_authorises_once(doors: Doors):
    who = somebody("viewer", SCOPES["modality"])
    doors.sight.forget()
    before = doors.sight.asked
    for _ in range(2000):
        assert await doors.retrieve.locate(who, instances=["1.9.1.1.1"])
    assert doors.sight.asked == before + 1


async def test_absent_and_forbidden_are_not_told_apart(doors: Doors):
    who = somebody("viewer", SCOPES["modality"])
    for uid in ("1.9.2.1.1", "1.9.77.1.1"):
        with pytest.raises(NotFound, match="there is no such instance"):
            await doors.retrieve.one(who, uid[:5], uid[:7], uid)
