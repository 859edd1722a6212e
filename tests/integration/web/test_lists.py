"""Lists for a screen, found by what somebody typed and paged without gaps; deletions and uploads from the same desk."""

import io
import zipfile

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.served import Served


@pytest.mark.capability("6.1.1")
async def test_studies_are_found_by_the_beginning_of_what_somebody_typed(served: Served) -> None:
    study, _ = await served.stored("tiny", 2)
    whole = (await served.client.get(f"/api/v1/studies/{study.uid}")).json()["study"]
    name = whole["patient"]["name"]["alphabetic"].split("^")[0]
    for typed in (name[:4], whole["patient"]["id"][:-2], whole["accession"], study.uid):
        if not typed:
            continue
        page = (await served.client.get("/api/v1/studies", params={"q": typed, "count": "true"})).json()
        assert [each["uid"] for each in page["studies"]] == [study.uid], typed
        assert page["total"] == 1
    assert (await served.client.get("/api/v1/studies", params={"q": "nobody"})).json()["studies"] == []


@pytest.mark.capability("6.1.1")
@pytest.mark.parametrize("sort", ["", "name", "-id", "date", "-accession", "description"])
async def test_pages_follow_each_other_without_gaps_in_any_order(served: Served, sort: str) -> None:
    uids = {(await served.stored("tiny", 1))[0].uid for _ in range(5)}
    seen: list[str] = []
    after = ""
    while True:
        asked = {"limit": "2", "after": after, "sort": sort, "count": "true"}
        page = (await served.client.get("/api/v1/studies", params=asked)).json()
        assert page["total"] == 5
        seen += [each["uid"] for each in page["studies"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert len(seen) == 5
    assert set(seen) == uids


@pytest.mark.parametrize("after", ["x", "bm8", "WzEsMiwzXQ", "W10", "////"])
async def test_a_place_that_is_none_is_refused_in_words(served: Served, after: str) -> None:
    assert (await served.client.get("/api/v1/studies", params={"after": after})).status_code == 400


@pytest.mark.capability("6.1.1")
async def test_patients_are_listed_with_what_there_is_of_them(served: Served) -> None:
    study, _ = await served.stored("tiny", 3)
    page = (await served.client.get("/api/v1/patients", params={"count": "true"})).json()
    assert (page["total"], page["patients"][0]["studies"], page["patients"][0]["images"]) == (1, 1, 3)
    patient = page["patients"][0]["patient"]["id"]
    asked = {"id": patient, "issuer": page["patients"][0]["patient"]["issuer"]}
    found = (await served.client.get("/api/v1/studies", params=asked)).json()
    assert [each["uid"] for each in found["studies"]] == [study.uid]


@pytest.mark.capability("2.3.1")
async def test_what_was_deleted_by_hand_is_listed_and_comes_back(served: Served) -> None:
    study, items = await served.stored("tiny", 2)
    refused = await served.client.post("/api/v1/deletions", json={"study": study.uid, "reason": ""})
    assert refused.status_code == 422
    gone = (await served.client.post("/api/v1/deletions", json={"study": study.uid, "reason": "wrong patient"})).json()
    assert gone["images"] == 2
    assert (await served.client.get(f"/api/v1/studies/{study.uid}")).status_code == 404
    listed = (await served.client.get("/api/v1/deletions")).json()["deletions"][0]
    assert (listed["id"], listed["why"], listed["undone"], listed["final"]) == (
        gone["id"],
        "wrong patient",
        False,
        False,
    )
    back = await served.client.post(f"/api/v1/deletions/{gone['id']}/undo", json={})
    assert back.json() == {"images": 2}
    assert (await served.client.get(f"/api/v1/studies/{study.uid}")).json()["study"]["images"] == len(items)
    assert (await served.client.post(f"/api/v1/deletions/{gone['id']}/undo", json={})).status_code == 409
    kinds = [each["kind"] for each in (await served.client.get("/api/v1/changes?after=0")).json()["changes"]]
    assert kinds[-2:] == ["InstancesDeleted", "InstancesRestored"]


@pytest.mark.capability("1.6.1")
async def test_an_uploaded_file_is_filed_once_and_then_already_there(served: Served) -> None:
    study = Study(fresh_run(), 0)
    data = next(iter(objects("tiny", study, 1))).part10()
    first = (await served.client.post("/api/v1/uploads", content=data)).json()
    assert (first["filed"], first["studies"]) == (1, [study.uid])
    again = (await served.client.post("/api/v1/uploads", content=data)).json()
    assert (again["filed"], again["already"]) == (0, 1)


@pytest.mark.capability("1.6.1")
async def test_an_uploaded_zip_says_what_became_of_each_file(served: Served) -> None:
    study = Study(fresh_run(), 0)
    parts = [item.part10() for item in objects("tiny", study, 2)]
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for number, part in enumerate(parts):
            archive.writestr(f"../{number}.dcm", part)
        archive.writestr("letter.txt", "no image")
        archive.writestr("torn.dcm", parts[0][:400])
    told = (await served.client.post("/api/v1/uploads", content=body.getvalue())).json()
    assert (told["filed"], told["skipped"], told["quarantined"]) == (2, 1, 1)
    assert sum(told["reasons"].values()) == 1
    assert told["studies"] == [study.uid]


async def test_what_is_no_dicom_is_skipped_and_an_empty_upload_refused(served: Served) -> None:
    told = (await served.client.post("/api/v1/uploads", content=b"%PDF-1.7 " * 1000)).json()
    assert (told["skipped"], told["filed"], told["quarantined"]) == (1, 0, 0)
    assert (await served.client.post("/api/v1/uploads", content=b"")).status_code == 400
