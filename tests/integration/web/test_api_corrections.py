"""Corrections, rules and quarantine over the API."""

import pytest
from bench.corpus import Object, Study, fresh_run, objects
from tests.fixtures.served import Served

from filmroom.security.principals import SYSTEM


@pytest.mark.capability("1.3.5", "3.3.4")
async def test_a_correction_is_made_seen_and_undone(served: Served) -> None:
    study, _ = await served.stored("ct", 2)
    client, metadata = served.client, f"/dicom-web/studies/{study.uid}/series/{study.series_uid}/metadata"
    before = (await client.get(metadata)).json()
    body = {"level": "study", "target": study.uid, "attributes": {"StudyDescription": "胸部"}, "why": "typed wrong"}
    made = await client.post("/api/v1/corrections", json=body)
    assert made.status_code == 201, made.text
    number = made.json()["id"]
    assert {each["00081030"]["Value"][0] for each in (await client.get(metadata)).json()} == {"胸部"}
    found = (await client.get(f"/dicom-web/studies?StudyInstanceUID={study.uid}&StudyDescription=胸部")).json()
    assert len(found) == 1
    listed = (await client.get("/api/v1/journal", params={"target": f"study:{study.uid}"})).json()["entries"]
    assert [(each["id"], each["action"], each["why"]) for each in listed] == [(number, "correct", "typed wrong")]
    undo = f"/api/v1/journal/{number}/undo"
    assert (await client.post(undo, json={"why": "no"})).status_code == 201
    assert (await client.post(undo, json={"why": "no"})).status_code == 409
    assert (await client.get(metadata)).json() == before
    assert (await client.get(f"/api/v1/journal/{number}")).json()["undone_by"] == number + 1
    wrong = await client.post("/api/v1/corrections", json=body | {"attributes": {"StudyInstanceUID": "1"}})
    assert (wrong.status_code, "UIDs are not corrected" in wrong.json()["detail"]) == (400, True)


@pytest.mark.capability("1.1.10")
async def test_rules_and_policies_are_written_and_tried(served: Served) -> None:
    client, rule = served.client, "/api/v1/rules/coercion/prefix"
    body = {"condition": "calling = CT1", "actions": [{"prefix": "PatientID", "value": "H1-"}]}
    assert (await client.put(rule, json=body)).json()["condition"] == "calling = CT1"
    assert [each["name"] for each in (await client.get("/api/v1/rules/coercion")).json()["rules"]] == ["prefix"]
    wrong = await client.put(rule, json=body | {"condition": "calling = "})
    assert (wrong.status_code, "expected a value" in wrong.json()["detail"]) == (400, True)
    trial = {"condition": "Modality = CT", "dataset": {"00080060": {"vr": "CS", "Value": ["MR"]}}}
    tried = (await client.post("/api/v1/rules/try", json=trial)).json()
    assert (tried["holds"], tried["lines"]) == (False, ["no   Modality = CT   found 'MR'"])
    assert (await client.post("/api/v1/rules/try", json={"condition": "Modality"})).json()["at"] == 8
    assert (await client.delete(rule)).status_code == 204
    policy = "/api/v1/store-policies/CT1/*"
    assert (await client.put(policy, json={"policy": {"replacing": "same-source"}})).status_code == 200
    assert (await client.put(policy, json={"policy": {"replacing": "x"}})).status_code == 400
    assert (await client.get("/api/v1/store-policies")).json()["policies"][0]["calling"] == "CT1"
    assert (await client.delete(policy)).status_code == 204
    assert (await client.delete(policy)).status_code == 404


def without_study(sent: Object) -> bytes:
    tag = b"\x20\x00\x0d\x00UI"
    at = sent.header.index(tag)
    length = int.from_bytes(sent.header[at + 6 : at + 8], "little")
    whole = sent.part10()
    start = whole.index(sent.header) + at
    return whole[:start] + whole[start + 8 + length :]


@pytest.mark.capability("1.1.12")
async def test_an_object_without_study_uid_is_released_with_one(served: Served) -> None:
    client = served.client
    sent = next(objects("ct", Study(fresh_run(), 1), 1))
    incoming = served.services.ingest.begin(SYSTEM, door="stow", source="CT1", transfer_syntax=None, part10=True)
    incoming.write(without_study(sent))
    await incoming.finish()
    (held,) = (await client.get("/api/v1/quarantine")).json()["items"]
    one = f"/api/v1/quarantine/{held['id']}"
    assert (await client.post(f"{one}/requeue")).json()["result"] == "quarantined"
    (held,) = (await client.get("/api/v1/quarantine")).json()["items"]
    one = f"/api/v1/quarantine/{held['id']}"
    body = {"attributes": {"StudyInstanceUID": "not a uid"}, "why": "lost by the gateway"}
    assert (await client.post(f"{one}/release", json=body)).status_code == 400
    body["attributes"] = {"StudyInstanceUID": sent.study_uid}
    released = await client.post(f"{one}/release", json=body)
    assert (released.status_code, released.json()["result"]) == (200, "new"), released.text
    assert len((await client.get(f"/dicom-web/studies?StudyInstanceUID={sent.study_uid}")).json()) == 1
    assert (await client.get("/api/v1/quarantine")).json()["items"] == []
    entries = (await client.get("/api/v1/journal")).json()["entries"]
    assert (entries[0]["action"], entries[0]["target"]) == ("release", f"instance:{sent.sop_uid}")
    assert (await client.post(f"{one}/discard", json={"why": "x"})).status_code == 404
