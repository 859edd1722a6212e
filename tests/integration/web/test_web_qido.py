"""QIDO-RS (PS3.18 10.6) as clients see it; the matching itself is tested beside the index."""

import pytest
from tests.fixtures.served import Served

# Tables 10.6.3-3, -4, -5: attributes that always come back when the object has them.
STUDY = {"00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00081190", "00100010", "00100020"}
STUDY |= {"00100030", "00100040", "0020000D", "00200010", "00201206", "00201208"}
SERIES = {"00080060", "0008103E", "00081190", "0020000E", "00200011", "00201209"}
INSTANCE = {"00080016", "00080018", "00080056", "00081190", "00200013", "00280010", "00280011", "00280100"}


async def _search(served: Served, path: str, **headers: str) -> list[dict[str, object]]:
    answer = await served.client.get("/dicom-web" + path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    return answer.json()  # type: ignore[no-any-return]


@pytest.mark.capability("6.2.5")
async def test_what_always_comes_back(served: Served) -> None:
    study, items = await served.stored("ct", 2)
    [found] = await _search(served, f"/studies?StudyInstanceUID={study.uid}")
    assert set(found) >= STUDY
    assert list(found) == sorted(found), "attributes are in order (PS3.18 F.2.2)"
    [series] = await _search(served, f"/studies/{study.uid}/series")
    assert set(series) >= SERIES
    assert "00100010" not in series, "the path already says which study it is"
    instances = await _search(served, f"/studies/{study.uid}/series/{study.series_uid}/instances")
    assert all(set(each) >= INSTANCE for each in instances)
    address = instances[0]["00081190"]["Value"][0]  # type: ignore[index]
    assert address.endswith(f"/instances/{items[0].sop_uid}")


@pytest.mark.capability("6.2.5")
async def test_searches_across_the_archive_name_their_parents(served: Served) -> None:
    study, items = await served.stored("ct", 1)
    [series] = await _search(served, f"/series?SeriesInstanceUID={study.series_uid}")
    assert set(series) >= SERIES | (STUDY - {"00200010"})
    [instance] = await _search(served, f"/instances?SOPInstanceUID={items[0].sop_uid}")
    assert set(instance) >= {"0020000D", "0020000E", "00080018", "00100010", "00080060"}
    assert len(await _search(served, f"/studies/{study.uid}/instances")) == 1


@pytest.mark.capability("6.2.5")
async def test_includefield_adds(served: Served) -> None:
    study, _ = await served.stored("ct", 1)
    for name in ("PatientAge", "00101010", "all"):
        [found] = await _search(served, f"/studies?StudyInstanceUID={study.uid}&includefield={name}")
        assert "00101010" in found


@pytest.mark.capability("6.2.5")
async def test_nothing_found_is_204(served: Served) -> None:
    answer = await served.client.get("/dicom-web/studies?PatientID=nobody")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await served.client.get("/dicom-web/studies/1.2.3/series")).status_code == 204


@pytest.mark.capability("6.2.5")
async def test_an_answer_that_is_cut_says_so(served: Served) -> None:
    study, _ = await served.stored("tiny", 3)
    path = f"/dicom-web/studies/{study.uid}/instances"
    whole = await served.client.get(path)
    assert (len(whole.json()), whole.headers["x-total-count"]) == (3, "3")
    assert "warning" not in whole.headers
    page = await served.client.get(path + "?limit=2")
    assert len(page.json()) == 2
    assert "x-total-count" not in page.headers
    rest = await served.client.get(path + "?limit=2&offset=2")
    assert (len(rest.json()), rest.headers["x-total-count"]) == (1, "3")
    found = [each["00080018"]["Value"][0] for each in page.json() + rest.json()]
    assert len(set(found)) == 3


@pytest.mark.capability("6.2.5")
@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "includefield=NoSuchKeyword", "%ff=%ff", "StudyDate=x-y-z"])
async def test_questions_that_cannot_be_understood_are_400(query: str, served: Served) -> None:
    answer = await served.client.get(f"/dicom-web/studies?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.capability("6.2.5")
async def test_too_many_parameters_are_413(served: Served) -> None:
    query = "&".join(f"includefield=0010{n:04x}" for n in range(300))
    assert (await served.client.get(f"/dicom-web/studies?{query}")).status_code == 413


@pytest.mark.capability("6.2.5")
async def test_media_types_of_an_answer(served: Served) -> None:
    await served.stored()
    for accept, given in [
        ("application/json", "application/json"),
        ("application/dicom+json", "application/dicom+json"),
        ("text/html;q=0.1, */*;q=0.01", "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml"', 'multipart/related; type="application/dicom+xml"'),
    ]:
        answer = await served.client.get("/dicom-web/studies", headers={"accept": accept})
        assert answer.headers["content-type"].startswith(given)
    assert (await served.client.get("/dicom-web/studies", headers={"accept": "text/csv"})).status_code == 406
    forced = await served.client.get(
        "/dicom-web/studies?accept=application/dicom%2Bjson", headers={"accept": "text/csv"}
    )
    assert forced.status_code == 200


@pytest.mark.capability("6.2.5")
@pytest.mark.parametrize("value", ["';--", "%27%20OR%201=1", "%00", "*" * 500, "\\", "%E4%BC%9F", "<script>"])
async def test_hostile_values_find_nothing_and_break_nothing(value: str, served: Served) -> None:
    await served.stored()
    for key in ("PatientID", "AccessionNumber", "StudyDescription", "00080050"):
        answer = await served.client.get(f"/dicom-web/studies?{key}={value}")
        assert answer.status_code in {200, 204, 400}, (key, answer.text)
