"""Paging through QIDO-RS: a total, pages that neither overlap nor leave a gap, an order, and fuzzy names."""

import pytest
from tests.fixtures.served import Served

pytestmark = pytest.mark.capability("3.2.2", "6.2.5")
EXACT = {"prefer": "count=exact"}


async def _studies(served: Served, count: int) -> set[str]:
    return {(await served.stored())[0].uid for _ in range(count)}


def _uids(found: list[dict[str, dict[str, list[str]]]]) -> list[str]:
    return [each["0020000D"]["Value"][0] for each in found]


async def test_every_page_tells_the_total_to_who_prefers_it(served: Served) -> None:
    stored = await _studies(served, 5)
    seen: list[str] = []
    for offset in (0, 2, 4):
        page = await served.client.get(f"/dicom-web/studies?limit=2&offset={offset}", headers=EXACT)
        assert page.headers["x-total-count"] == "5"
        seen += _uids(page.json())
    assert set(seen) == stored
    assert len(seen) == 5, "no study comes twice"
    beyond = await served.client.get("/dicom-web/studies?limit=2&offset=9", headers=EXACT)
    assert (beyond.status_code, beyond.headers["x-total-count"]) == (204, "5")


async def test_a_total_is_of_what_matches_at_each_level(served: Served) -> None:
    study, _ = await served.stored("ct", 3)
    await served.stored("ct", 2)
    for path, total in (
        (f"/studies?StudyInstanceUID={study.uid}&limit=1", "1"),
        (f"/studies/{study.uid}/instances?limit=1", "3"),
        ("/instances?limit=1", "5"),
        ("/series?limit=1", "2"),
    ):
        got = await served.client.get("/dicom-web" + path, headers=EXACT)
        assert got.headers["x-total-count"] == total, path


async def test_pages_in_an_order_of_the_client(served: Served) -> None:
    await _studies(served, 4)
    whole = _uids((await served.client.get("/dicom-web/studies?orderby=StudyInstanceUID")).json())
    assert whole == sorted(whole)
    back = []
    for offset in (0, 3):
        query = f"orderby=-StudyInstanceUID&limit=3&offset={offset}"
        back += _uids((await served.client.get(f"/dicom-web/studies?{query}")).json())
    assert back == whole[::-1]


async def test_fuzzy_names_and_more_fields_together_with_paging(served: Served) -> None:
    study, _ = await served.stored("ct", 1)
    given = study.patient_name.split("^")[0]
    query = f"PatientName={given.lower()}*&fuzzymatching=true&includefield=PatientAge&limit=1"
    got = await served.client.get(f"/dicom-web/studies?{query}", headers=EXACT)
    assert got.status_code == 200
    assert int(got.headers["x-total-count"]) >= 1
    assert "00101010" in got.json()[0]
