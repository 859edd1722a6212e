"""How DCMTK and pynetdicom see our refusals, and several AE titles on one port."""

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE, build_context
from tests.fixtures.admitted import Hospital, eventually, open_hospital

from filmroom.archive.devices_callers import Reason
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"

needs_dcmtk = pytest.mark.skipif(shutil.which("echoscu") is None, reason="DCMTK is not installed")


@pytest.fixture
async def hospital(database: Database) -> AsyncIterator[Hospital]:
    async with open_hospital(database) as made:
        await made.devices.put(AeTitle("CT1"), "127.0.0.1", 104)
        yield made


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


async def echo(hospital: Hospital, calling: str, called: str = "FILMROOM") -> tuple[int, str]:
    return await run("echoscu", "-v", "-aet", calling, "-aec", called, "127.0.0.1", str(hospital.port))


async def reasons(hospital: Hospital, count: int) -> dict[Reason, str]:
    async def enough() -> object:
        rows = await hospital.callers.list(SYSTEM)
        return rows if len(rows) >= count else None

    return {row.reason: row.vendor for row in await eventually(enough)}


@needs_dcmtk
@pytest.mark.capability("1.0.1", "7.1.3")
async def test_dcmtk_is_told_why_it_is_refused(hospital: Hospital) -> None:
    assert (await echo(hospital, "CT1"))[0] == 0
    for calling, called, said in (
        ("CT1", "PACS", "Called AE Title Not Recognized"),
        ("NOBODY", "FILMROOM", "Calling AE Title Not Recognized"),
    ):
        code, output = await echo(hospital, calling, called)
        assert code != 0
        assert said in output
        assert "Rejected Permanent" in output
    found = await reasons(hospital, 2)
    assert set(found) == {Reason.CALLED_UNKNOWN, Reason.CALLING_UNKNOWN}
    assert all(vendor.startswith("DCMTK") for vendor in found.values())


@needs_dcmtk
@pytest.mark.capability("1.0.1", "7.1.3")
async def test_dcmtk_may_not_store_before_it_is_approved(hospital: Hospital) -> None:
    await hospital.devices.patch(AeTitle("CT1"), {"policy": {"services": ["echo"]}}, who=SYSTEM)
    path = str(get_testdata_file("CT_small.dcm"))
    store = ("storescu", "-v", "-aet", "CT1", "-aec", "FILMROOM", "127.0.0.1", str(hospital.port), path)
    code, output = await run(*store)
    assert code != 0
    assert "No Acceptable Presentation Contexts" in output
    assert set(await reasons(hospital, 1)) == {Reason.SERVICE_REFUSED}
    (row,) = await hospital.callers.list(SYSTEM)
    await hospital.callers.approve(SYSTEM, row.pk)
    code, output = await run(*store)
    assert (code, len(hospital.archive.objects)) == (0, 1), output


@needs_dcmtk
@pytest.mark.capability("1.0.2")
async def test_dcmtk_calls_several_titles_on_one_port(hospital: Hospital) -> None:
    await hospital.local_aes.replace(AeTitle("READING"), {"policy": {"services": ["find"]}}, who=SYSTEM)
    await hospital.local_aes.replace(AeTitle("ECHO"), {"policy": {"strangers": ["echo"]}}, who=SYSTEM)
    answers = [await echo(hospital, *each) for each in (("CT1", "FILMROOM"), ("NOBODY", "ECHO"), ("CT1", "READING"))]
    assert [code == 0 for code, _ in answers] == [True, True, False]
    assert "No Acceptable Presentation Contexts" in answers[2][1]


@pytest.mark.capability("1.0.1", "1.0.4")
async def test_pynetdicom_sees_result_source_and_reason(hospital: Hospital) -> None:
    await hospital.devices.patch(AeTitle("CT1"), {"policy": {"services": ["echo", "find"]}}, who=SYSTEM)

    def associate(calling: str, called: str) -> tuple[tuple[int, int, int] | None, dict[str, int]]:
        ae = AE(ae_title=calling)
        contexts = [build_context(uid) for uid in (VERIFICATION, CT, STUDY_FIND, "1.2.840.10008.5.1.1.9")]
        association = ae.associate("127.0.0.1", hospital.port, contexts=contexts, ae_title=called)
        answer = association.acceptor.primitive
        if association.is_rejected:
            return (answer.result, answer.result_source, answer.diagnostic), {}
        found = {
            str(c.abstract_syntax): c.result for c in association.accepted_contexts + association.rejected_contexts
        }
        association.release()
        return None, found

    assert (await asyncio.to_thread(associate, "CT1", "PACS"))[0] == (1, 1, 7)
    assert (await asyncio.to_thread(associate, "NOBODY", "FILMROOM"))[0] == (1, 1, 3)
    results = (await asyncio.to_thread(associate, "CT1", "FILMROOM"))[1]
    assert results == {VERIFICATION: 0, CT: 1, STUDY_FIND: 0, "1.2.840.10008.5.1.1.9": 3}
    assert set((await reasons(hospital, 3)).values()) == {"pynetdicom"}
