"""Every role and scope at every door: what one hides, no other shows, counts included.

The oracle is ``security.policy.sees``, the pure decision; the doors are asked through the same use cases that C-FIND,
C-MOVE, C-GET, QIDO, WADO and the API call.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.fixtures.scoped import CASES, ME, ROLES, SCOPES, expected, filled, somebody

from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.query import Query
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.sight import Sight
from filmroom.base.errors import NotFound
from filmroom.db.pool import Database
from filmroom.dicom.question import All, AnyOf, Key, Level, Question, Single
from filmroom.security.principals import Principal
from filmroom.storage.blobs import Blobs

pytestmark = [pytest.mark.capability("6.3.2"), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def population(database_url: str) -> AsyncIterator[Database]:
    async for database in filled(database_url):
        yield database


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
