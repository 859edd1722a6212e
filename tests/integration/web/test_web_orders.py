"""Orders and the worklist by REST."""

from typing import Any

import pytest
from tests.fixtures.served import Served

from filmroom.archive.devices import WorklistPolicy
from filmroom.security.principals import SYSTEM
from filmroom.workflow.asking import read

ORDERS, WORKLIST = "/api/v1/orders", "/api/v1/worklist"


def order(accession: str = "A1", start: str = "2026-07-06T09:30:00", **more: Any) -> dict[str, Any]:
    step = {"modality": "CT", "stations": ["CT1"], "start": start, "description": "Head"}
    patient = {"id": "P1", "name": "DOE^JANE", "birth_date": "19700102", "sex": "F"}
    return {"patient": patient, "procedures": [{"steps": [step], "description": "Head"}], "accession": accession} | more


async def placed(served: Served, **more: Any) -> Any:
    answer = await served.client.post(ORDERS, json=order(**more))
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.capability("1.7.2")
async def test_an_order_is_placed_read_changed_and_called_off(served: Served) -> None:
    made = await placed(served)
    assert made["accession"] == "A1"
    answer = await served.client.get(f"{ORDERS}/A1")
    (step,) = answer.json()["steps"]
    assert (step["status"], step["start_date"], step["stations"]) == ("SCHEDULED", "20260706", ["CT1"])
    address = f"{ORDERS}/A1/steps/{step['step_id']}"
    stale = await served.client.patch(address, json={"event": "arrived"}, headers={"if-match": '"old"'})
    assert stale.status_code == 412
    now = {"if-match": answer.headers["etag"]}
    answer = await served.client.patch(address, json={"start": "2026-07-07T08:00:00", "stations": ["CT2"]}, headers=now)
    (step,) = answer.json()["steps"]
    assert (step["start_date"], step["stations"]) == ("20260707", ["CT2"])
    assert (await served.client.patch(address, json={"event": "arrived"})).json()["steps"][0]["status"] == "ARRIVED"
    assert (await served.client.patch(address, json={"event": "reopened"})).status_code == 409
    answer = await served.client.delete(f"{ORDERS}/A1?why=wrong")
    assert (answer.status_code, answer.json()["step_ids"]) == (200, [step["step_id"]])
    assert (await served.client.get(f"{ORDERS}/A1")).json()["order"]["state"] == "CANCELED"
    assert (await served.client.get(f"{ORDERS}/A2")).status_code == 404


async def test_what_cannot_be_an_order_is_told_with_the_fields_at_fault(served: Served) -> None:
    answer = await served.client.post(ORDERS, json=order(speed="fast") | {"patient": {"id": "P1"}})
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} >= {"/speed", "/patient"}
    empty = order(accession="A9") | {"procedures": []}
    assert (await served.client.post(ORDERS, json=empty)).status_code == 422
    await placed(served)
    assert (await served.client.post(ORDERS, json=order())).status_code == 409


async def test_pages_of_orders_and_of_the_worklist(served: Served) -> None:
    for n in range(5):
        await placed(served, accession=f"A{n}", start=f"2026-07-06T0{n}:00:00")
    first = (await served.client.get(ORDERS, params={"limit": 3})).json()
    second = (await served.client.get(ORDERS, params={"limit": 3, "before": first["next"]})).json()
    assert [one["accession"] for one in first["orders"] + second["orders"]] == ["A4", "A3", "A2", "A1", "A0"]
    assert second["next"] is None
    first = (await served.client.get(WORKLIST, params={"limit": 3, "station": "CT1"})).json()
    second = (await served.client.get(WORKLIST, params={"limit": 3, "after": first["next"]})).json()
    assert [one["accession"] for one in first["steps"] + second["steps"]] == ["A0", "A1", "A2", "A3", "A4"]
    for wanted, count in (({"modality": "MR"}, 0), ({"accession": "A3"}, 1), ({"first_day": "20260707"}, 0)):
        assert len((await served.client.get(WORKLIST, params=wanted)).json()["steps"]) == count
    assert (await served.client.get(WORKLIST, params={"status": "GONE"})).status_code == 422
    assert (await served.client.get(WORKLIST, params={"after": "x"})).status_code == 422


@pytest.mark.capability("1.7.11")
async def test_what_a_modality_asked_is_replayed(served: Served) -> None:
    await placed(served)
    asked = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "ROE*"}]},
        "00400100": {"vr": "SQ", "Value": [{"00400002": {"vr": "DA", "Value": ["20260706"]}}]},
    }
    worklist = served.services.worklist
    assert worklist is not None
    query = read(asked, calling_ae="CT1", policy=WorklistPolicy())
    assert [one async for one in worklist.find(SYSTEM, query)] == []
    await worklist.remember(query, matches=0, status=0, took_ms=1.0)
    (kept,) = (await served.client.get(f"{WORKLIST}/queries")).json()["queries"]
    assert (kept["calling_ae"], kept["matches"], kept["status"]) == ("CT1", 0, "0000")
    found = (await served.client.post(f"{WORKLIST}/explain", json={"query": kept["id"]})).json()
    assert (found["shown"], found["kills"]) == (0, {"PatientName": 1})
    assert found["verdicts"][0]["reasons"][0]["asked"] == "ROE*"
    assert (await served.client.post(f"{WORKLIST}/explain", json={"query": 99})).status_code == 404
    assert (await served.client.post(f"{WORKLIST}/explain", json={})).status_code == 422


async def test_performed_steps_are_listed(served: Served) -> None:
    answer = await served.client.get("/api/v1/performed-steps")
    assert (answer.status_code, answer.json()) == (200, {"steps": [], "next": None})
