"""Ten thousand of a thing, and an asker who has seen enough: foreign peers cancel, and are told when nothing fits."""

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from bench.corpus import Study, fresh_run, objects
from pydicom.dataset import Dataset
from pynetdicom import AE
from tests.fixtures.dimse_archive import MemoryArchive, MemoryObject, device, dimse_server
from tests.fixtures.dimse_wire import CT, EXPLICIT
from tests.fixtures.server_tools import run_tool
from tests.fixtures.storing import storing

from filmroom.archive.model import Outcome, Stored
from filmroom.net.dimse.models import STUDY_ROOT

MANY = 10_000
ENOUGH = 5


def asked(**keys: Any) -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel = "STUDY"
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


def associated(port: int, model: str) -> Any:
    entity = AE(ae_title="PYNET")
    entity.add_requested_context(model)
    association = entity.associate("127.0.0.1", port, ae_title="FILMROOM")
    assert association.is_established
    return association


def tiny(number: int) -> MemoryObject:
    """An object of four attributes."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT, f"1.2.3.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    out = BytesIO()
    made.save_as(out, implicit_vr=False, little_endian=True)
    return MemoryObject(CT, f"1.2.3.{number}", EXPLICIT, out.getvalue())


@pytest.mark.capability("1.2.10")
async def test_a_query_of_ten_thousand_matches_ends_soon_after_it_is_cancelled() -> None:
    def work(port: int) -> list[int]:
        association = associated(port, STUDY_ROOT.find)
        seen: list[int] = []
        for status, _ in association.send_c_find(asked(StudyInstanceUID=""), STUDY_ROOT.find, msg_id=3):
            seen.append(status.Status)
            if len(seen) == ENOUGH:
                association.send_c_cancel(3, query_model=STUDY_ROOT.find)
        association.release()
        return seen

    matches = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(MANY)]
    async with dimse_server(MemoryArchive(matches=matches)) as (listener, _):
        seen = await asyncio.to_thread(work, listener.port)
    assert set(seen[:-1]) == {0xFF00}
    assert seen[-1] == 0xFE00
    assert ENOUGH <= len(seen) < MANY


@pytest.mark.capability("1.2.10")
async def test_findscu_cancels_among_ten_thousand_matches() -> None:
    matches = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(MANY)]
    keys = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")
    async with dimse_server(MemoryArchive(matches=matches)) as (listener, _):
        said = await asyncio.to_thread(
            run_tool, "findscu", "-v", "--cancel", 3, "-aec", "FILMROOM", *keys, "127.0.0.1", listener.port
        )
    assert said.count("Find Response") < MANY
    assert "Cancel" in said


@pytest.mark.capability("1.3.1")
async def test_a_move_of_ten_thousand_objects_is_cancelled_and_its_counts_agree() -> None:
    """PS3.4 C.4.2.3.1: FE00 with remaining, completed, failed and warning of what was to be moved."""

    def work(port: int) -> list[Dataset]:
        association = associated(port, STUDY_ROOT.move)
        answers: list[Dataset] = []
        for status, _ in association.send_c_move(asked(StudyInstanceUID="1.2.3"), "STORER", STUDY_ROOT.move, msg_id=7):
            answers.append(status)
            if len(answers) == 1:
                association.send_c_cancel(7, query_model=STUDY_ROOT.move)
        association.release()
        return answers

    with storing() as storer:
        archive = MemoryArchive(objects={each.sop_uid: each for each in map(tiny, range(MANY))})
        archive.devices["STORER"] = device("STORER", storer.port)
        async with dimse_server(archive) as (listener, _):
            async with asyncio.timeout(60):
                answers = await asyncio.to_thread(work, listener.port)
    final = answers[-1]
    assert final.Status == 0xFE00
    done = final.NumberOfCompletedSuboperations
    left = final.NumberOfRemainingSuboperations
    assert 0 < done < MANY
    assert done + left + final.NumberOfFailedSuboperations + final.NumberOfWarningSuboperations == MANY
    # One may have been on its way when the answer was counted.
    assert done <= len(storer.taken) <= done + 1
    counts = [each.NumberOfRemainingSuboperations for each in answers if each.Status == 0xFF00]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.capability("1.1.3")
async def test_dcmtk_is_told_that_there_is_no_space(tmp_path: Path) -> None:
    """PS3.4 table B.2-1: A7xx, out of resources; the association goes on."""
    for number, each in enumerate(objects("tiny", Study(fresh_run(), 1), 3)):
        (tmp_path / f"{number}.dcm").write_bytes(each.part10())
    archive = MemoryArchive(outcome=Outcome(Stored.NO_SPACE, comment="no space"))
    async with dimse_server(archive) as (listener, _):
        said = await asyncio.to_thread(
            run_tool,
            "storescu",
            "-v",
            "-nh",
            "+sd",
            "-aec",
            "FILMROOM",
            "127.0.0.1",
            listener.port,
            tmp_path,
            check=False,
        )
    assert said.count("Refused: Out") == 3, said
