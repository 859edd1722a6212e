"""PS3.18 chapters 11 and 13, a test a sentence: work items and storage commitment over HTTP."""

import asyncio
import base64
import dataclasses
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydicom.uid import generate_uid
from tests.fixtures.served import Served, serve

from filmroom.archive.commitment import Commitments
from filmroom.db.pool import Database
from filmroom.net.web.dicomweb.ups import HTTP_STATUS
from filmroom.workflow.ups_model import FILTERED_GLOBAL, GLOBAL, WARNINGS, Fault

pytestmark = pytest.mark.capability("1.7.9")
WORKITEMS = "/dicom-web/workitems"
JSON = {"content-type": "application/dicom+json"}


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(database, tmp_path) as opened:
        yield opened


def work(**more: Any) -> dict[str, Any]:
    made = {
        "00741200": {"vr": "CS", "Value": ["MEDIUM"]},
        "00741204": {"vr": "LO", "Value": ["Find nodules"]},
        "00741202": {"vr": "LO", "Value": ["AI"]},
        "00404005": {"vr": "DT", "Value": ["20260706093000"]},
        "00404041": {"vr": "CS", "Value": ["READY"]},
        "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
    }
    return made | {name.removeprefix("x"): {"vr": "LO", "Value": [value]} for name, value in more.items()}


def state(value: str, key: str = "") -> bytes:
    told: dict[str, Any] = {"00741000": {"vr": "CS", "Value": [value]}}
    if key:
        told["00081195"] = {"vr": "UI", "Value": [key]}
    return orjson.dumps([told])


async def created(served: Served, **more: Any) -> str:
    uid = generate_uid()
    answer = await served.client.post(f"{WORKITEMS}?{uid}", content=orjson.dumps([work(**more)]), headers=JSON)
    assert answer.status_code == 201, answer.text
    return uid


async def put_state(served: Served, uid: str, value: str, key: str = "") -> Any:
    return await served.client.put(f"{WORKITEMS}/{uid}/state", content=state(value, key), headers=JSON)


def test_every_refusal_has_a_status() -> None:
    assert set(HTTP_STATUS) == set(Fault) - WARNINGS


async def test_11_4_create_answers_201_with_the_location_and_409_the_second_time(served: Served) -> None:
    uid, body = generate_uid(), orjson.dumps([work()])
    answer = await served.client.post(f"{WORKITEMS}?{uid}", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{served.url}{WORKITEMS}/{uid}")
    assert (await served.client.post(f"{WORKITEMS}?{uid}", content=body, headers=JSON)).status_code == 409
    assert (await served.client.post(WORKITEMS, content=body, headers=JSON)).status_code == 201
    made = work()
    del made["00741204"]
    answer = await served.client.post(WORKITEMS, content=orjson.dumps(made), headers=JSON)
    assert (answer.status_code, answer.json()["attributes"]) == (400, ["00741204"])
    assert (await served.client.post(WORKITEMS, content=b"{", headers=JSON)).status_code == 400
    assert (await served.client.post(WORKITEMS, content=b'{"x":1}', headers=JSON)).status_code == 400


async def test_11_5_retrieve(served: Served) -> None:
    uid = await created(served)
    key = generate_uid()
    await put_state(served, uid, "IN PROGRESS", key)
    answer = await served.client.get(f"{WORKITEMS}/{uid}")
    (held,) = answer.json()
    assert (answer.status_code, held["00741000"]["Value"]) == (200, ["IN PROGRESS"])
    assert "00081195" not in held
    assert (await served.client.get(f"{WORKITEMS}/1.2.3")).status_code == 404
    xml = await served.client.get(f"{WORKITEMS}/{uid}", headers={"accept": "application/dicom+xml"})
    assert b'keyword="ProcedureStepState"' in xml.content
    async with served.stranger() as stranger:
        assert (await stranger.get(f"{WORKITEMS}/{uid}")).status_code == 401


async def test_11_6_update_needs_the_transaction_uid_once_claimed(served: Served) -> None:
    uid, key = await created(served), generate_uid()
    label = orjson.dumps([{"00741204": {"vr": "LO", "Value": ["Other"]}}])
    assert (await served.client.post(f"{WORKITEMS}/{uid}", content=label, headers=JSON)).status_code == 200
    await put_state(served, uid, "IN PROGRESS", key)
    answer = await served.client.post(f"{WORKITEMS}/{uid}", content=label, headers=JSON)
    assert answer.status_code == 400
    assert "Transaction UID is incorrect" in answer.headers["warning"]
    answer = await served.client.post(f"{WORKITEMS}/{uid}?{key}", content=label, headers=JSON)
    assert answer.status_code == 200
    assert (await served.client.post(f"{WORKITEMS}/1.2.3", content=label, headers=JSON)).status_code == 404


async def test_11_7_change_state(served: Served) -> None:
    uid, key = await created(served), generate_uid()
    assert (await put_state(served, uid, "COMPLETED", key)).status_code == 409
    answer = await put_state(served, uid, "IN PROGRESS")
    assert (answer.status_code, answer.headers["warning"]) == (400, '299 Filmroom "The Transaction UID is missing."')
    assert (await put_state(served, uid, "IN PROGRESS", key)).status_code == 200
    assert (await put_state(served, uid, "IN PROGRESS", generate_uid())).status_code == 409
    answer = await put_state(served, uid, "COMPLETED", key)
    assert (answer.status_code, answer.json()["attributes"]) == (409, ["00741216"])
    assert (await put_state(served, "1.2.3", "COMPLETED", key)).status_code == 404


async def test_11_8_a_cancel_is_a_request(served: Served) -> None:
    uid = await created(served)
    answer = await served.client.post(f"{WORKITEMS}/{uid}/cancelrequest")
    assert answer.status_code == 202
    answer = await served.client.post(f"{WORKITEMS}/{uid}/cancelrequest")
    assert "already in the requested state of CANCELED" in answer.headers["warning"]
    uid = await created(served)
    await put_state(served, uid, "IN PROGRESS", generate_uid())
    assert (await served.client.post(f"{WORKITEMS}/{uid}/cancelrequest")).status_code == 409  # who would hear of it?
    await served.client.post(f"{WORKITEMS}/{uid}/subscribers/WATCHER")
    assert (await served.client.post(f"{WORKITEMS}/{uid}/cancelrequest")).status_code == 202
    assert (await served.client.get(f"{WORKITEMS}/{uid}")).json()[0]["00741000"]["Value"] == ["IN PROGRESS"]


async def test_11_9_search(served: Served) -> None:
    first, second = await created(served), await created(served, x00741202="CAD")
    found = (await served.client.get(WORKITEMS, params={"00741202": "CAD"})).json()
    assert [one["00080018"]["Value"][0] for one in found] == [second]
    page = await served.client.get(WORKITEMS, params={"limit": "1", "ProcedureStepState": "SCHEDULED"})
    assert [one["00080018"]["Value"][0] for one in page.json()] == [first]
    page = await served.client.get(WORKITEMS, params={"limit": "1", "offset": "1"})
    assert [one["00080018"]["Value"][0] for one in page.json()] == [second]
    assert (await served.client.get(WORKITEMS, params={"PatientID": "P9"})).status_code == 204
    assert (await served.client.get(WORKITEMS, params={"nothing": "1"})).status_code == 400


async def test_11_5_a_deleted_item_is_gone(served: Served) -> None:

    uid = await created(served)
    await served.client.post(f"{WORKITEMS}/{uid}/cancelrequest")
    assert served.services.workitems is not None
    await served.services.workitems.expire(timedelta(0))
    assert (await served.client.get(f"{WORKITEMS}/{uid}")).status_code == 410


class Channel:
    """A WebSocket client of a few lines (RFC 6455): text frames of the server, unmasked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, served: Served, title: str, **headers: str) -> "tuple[int, Channel]":
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        lines = [
            f"GET /dicom-web/ws/subscribers/{title} HTTP/1.1",
            f"Host: 127.0.0.1:{served.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), cls(reader, writer)

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            first, size = await self._reader.readexactly(2)
        assert first == 0x81
        if size == 126:
            size = int.from_bytes(await self._reader.readexactly(2), "big")
        return orjson.loads(await self._reader.readexactly(size))

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def test_8_10_4_nobody_opens_a_channel_without_signing_in_nor_from_another_site(served: Served) -> None:
    status, channel = await Channel.open(served, "WATCHER")
    assert status in (401, 403)
    await channel.close()
    signed = f"Bearer {served.token}"
    status, channel = await Channel.open(served, "WATCHER", Authorization=signed, Origin="https://elsewhere.example")
    assert status == 403
    await channel.close()


async def test_11_10_to_11_13_events_come_over_the_channel(served: Served) -> None:
    status, channel = await Channel.open(served, "WATCHER", Authorization=f"Bearer {served.token}")
    assert status == 101
    before = await created(served)
    answer = await served.client.post(f"{WORKITEMS}/{GLOBAL}/subscribers/WATCHER?deletionlock=true")
    assert answer.status_code == 201
    assert answer.headers["content-location"] == f"ws://127.0.0.1:{served.port}/dicom-web/ws/subscribers/WATCHER"
    told = await channel.next()
    assert (told["00001000"]["Value"], told["00001002"]["Value"]) == ([before], [1])
    uid, key = await created(served), generate_uid()
    await put_state(served, uid, "IN PROGRESS", key)
    await served.client.post(f"{WORKITEMS}/{uid}/cancelrequest")
    kinds = [
        (one["00001000"]["Value"][0], one["00001002"]["Value"][0]) for one in [await channel.next() for _ in "123"]
    ]
    assert kinds == [(uid, 1), (uid, 1), (uid, 2)]
    assert (await served.client.post(f"{WORKITEMS}/{GLOBAL}/subscribers/WATCHER/suspend")).status_code == 200
    assert (await served.client.delete(f"{WORKITEMS}/{uid}/subscribers/WATCHER")).status_code == 200
    wanted = f"{WORKITEMS}/{FILTERED_GLOBAL}/subscribers/WATCHER?filter=WorklistLabel%3DCAD"
    assert (await served.client.post(wanted)).status_code == 201
    await created(served)
    match = await created(served, x00741202="CAD")
    assert (await channel.next())["00001000"]["Value"] == [match]
    assert (await served.client.post(f"{WORKITEMS}/1.2.3/subscribers/WATCHER")).status_code == 404
    await channel.close()


@pytest.mark.capability("1.6.6")
async def test_13_storage_commitment_is_asked_and_its_result_fetched(served: Served, database: Database) -> None:
    _, items = await served.stored("tiny", 2)
    references = [(one.sop_class, one.sop_uid) for one in items] + [("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4")]
    sequence = [
        {"00081150": {"vr": "UI", "Value": [kind]}, "00081155": {"vr": "UI", "Value": [uid]}}
        for kind, uid in references
    ]
    body = orjson.dumps([{"00081199": {"vr": "SQ", "Value": sequence}}])
    address = f"/dicom-web/commitment-requests/{generate_uid()}"
    answer = await served.client.post(address, content=body, headers=JSON)
    assert answer.status_code == 202
    assert answer.headers["retry-after"]
    assert (await served.client.post(address, content=body, headers=JSON)).status_code == 409
    assert (await served.client.get("/dicom-web/commitment-requests/1.2.3")).status_code == 404
    services = served.services
    delivery = dataclasses.replace(services.settings.delivery, commitment_window_s=0.0)
    checking = Commitments(database, services.blobs, services.devices, delivery, services.clock, ae_title="FILMROOM")
    await checking.start(None, name="test")  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(15):
            while (answer := await served.client.get(address)).status_code == 202:
                checking.look()
    finally:
        await checking.stop()
    (told,) = answer.json()
    assert len(told["00081199"]["Value"]) == 2
    assert [one["00081197"]["Value"] for one in told["00081198"]["Value"]] == [[0x0112]]
