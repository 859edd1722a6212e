"""Nothing happens unrecorded: refused associations and users of associations, changes through the API that no use case
tells of, commands; and FHIR asks for what is there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification

from filmroom.app.server import Server, open_server
from filmroom.security.audit import ORIGIN, AuditKind, Origin
from filmroom.security.audit_reading import Asked
from filmroom.security.principals import SYSTEM
from filmroom.settings import DimseSettings, Settings, StorageSettings, WebSettings
from filmroom.workflow.model import Ordered, OrderedPatient, OrderedProcedure, OrderedStep
from filmroom.workflow.orders import Orders

pytestmark = [pytest.mark.capability("7.3.1"), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    settings = Settings(
        data=tmp_path_factory.mktemp("recorded"),
        admin_password="correct horse battery staple",
        web=WebSettings(port=0),
        dimse=DimseSettings(port=0, user_identity="accepted", check_called_ae=True),
        storage=StorageSettings(reserve_bytes=1 << 20),
    )
    async with open_server(settings, frozenset({"web", "dimse", "work"})) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    token = await server.core.tokens.issue(SYSTEM, "admin")
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{server.http_port}", headers={"authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        yield client


async def recorded(server: Server, kind: AuditKind) -> list[Any]:
    await server.core.keeping.trail.follow()
    await server.core.keeping.trail.flush()
    return [each.event for each in await server.core.keeping.reading.search(SYSTEM, Asked(kinds=(kind,)), 1000)]


async def until(server: Server, kind: AuditKind, wanted: Any) -> Any:
    async with asyncio.timeout(20):
        while True:
            if found := [event for event in await recorded(server, kind) if wanted(event)]:
                return found[0]
            await asyncio.sleep(0.1)


def _call(port: int, called: str, name: str = "") -> bool:
    ae = AE("STRANGE")
    ae.add_requested_context(Verification)
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field, identity.secondary_field = 2, name.encode(), b"wrong"
    association = ae.associate("127.0.0.1", port, ae_title=called, ext_neg=[identity] if name else [])
    there = bool(association.is_established)
    if there:
        association.release()
    return there


@pytest.mark.capability("1.0.6")
async def test_a_refused_association_is_on_record(server: Server):
    assert not await asyncio.to_thread(_call, server.dicom_port, "NOTUS")
    event = await until(server, AuditKind.REFUSED, lambda each: each.who == "device:STRANGE")
    assert (event.door, event.address, event.outcome) == ("dimse", "127.0.0.1", 8)
    assert event.detail["target"] == "association:NOTUS"
    assert event.detail["count"] >= 1


@pytest.mark.capability("1.0.6")
async def test_a_user_of_an_association_with_a_wrong_passcode_is_on_record(server: Server):
    assert not await asyncio.to_thread(_call, server.dicom_port, "FILMROOM", "admin")
    await until(server, AuditKind.REFUSED, lambda each: each.detail.get("reason") == "user-refused")
    event = await until(server, AuditKind.LOGIN_REFUSED, lambda each: each.detail["account"] == "admin")
    assert event.address == "127.0.0.1"


async def test_a_change_that_no_use_case_tells_of_is_recorded_by_the_door(server: Server, admin: httpx2.AsyncClient):
    made = await admin.post("/api/v1/webhooks", json={"url": "https://example.org/hook"})
    assert made.status_code == 201
    assert (await admin.delete(f"/api/v1/webhooks/{made.json()['webhook']['id']}")).status_code == 204
    assert (await admin.put("/api/v1/me/password", json={})).status_code == 422
    told = {event.what: event for event in await recorded(server, AuditKind.CONFIGURED)}
    assert {"POST /api/v1/webhooks", f"DELETE /api/v1/webhooks/{made.json()['webhook']['id']}"} <= told.keys()
    assert told["POST /api/v1/webhooks"].who_name == "admin"
    assert not any("password" in what for what in told), "what failed changed nothing"


async def test_what_a_use_case_tells_itself_is_told_once(server: Server, admin: httpx2.AsyncClient):
    role = {"actions": ["print"], "scopes": [{}]}
    assert (await admin.put("/api/v1/roles/printer", json=role)).status_code == 204
    assert not [event for event in await recorded(server, AuditKind.CONFIGURED) if "printer" in event.what]
    assert [
        event for event in await recorded(server, AuditKind.RIGHTS_CHANGED) if event.detail.get("role") == "printer"
    ]


async def test_an_order_is_a_record_of_its_patient(server: Server):
    from datetime import datetime

    step = OrderedStep(modality="CT", start=datetime(2026, 11, 23, 8))  # noqa: DTZ001
    procedure = OrderedProcedure(steps=(step,))
    await Orders(server.core.database).add(
        SYSTEM, Ordered(patient=OrderedPatient(id="P77", name="Doe^Jane"), procedures=(procedure,))
    )
    event = await until(server, AuditKind.CHANGED, lambda each: each.what == "order-placed")
    assert [(each.id, each.name) for each in event.patients] == [("P77", "doe^jane")]


async def test_a_command_says_where_it_came_from(server: Server):
    token = ORIGIN.set(Origin("cli", ""))
    try:
        await server.core.accounts.add(SYSTEM, "made-by-command", roles=["viewer"], password="a long secret of mine")
    finally:
        ORIGIN.reset(token)
    event = await until(server, AuditKind.ACCOUNT_CHANGED, lambda each: each.detail.get("account") == "made-by-command")
    assert (event.door, event.who) == ("cli", "system")


async def test_fhir_asks_for_what_is_there(server: Server, admin: httpx2.AsyncClient):
    await recorded(server, AuditKind.REFUSED)
    found = (await admin.get("/fhir/AuditEvent", params={"type": "110113", "subtype": "110132,110126"})).json()
    assert found["resourceType"] == "Bundle"
    resources = [each["resource"] for each in found["entry"]]
    assert resources
    assert {each["subtype"][0]["code"] for each in resources} <= {"110132", "110126"}
    one = await admin.get(f"/fhir/AuditEvent/{resources[0]['id']}")
    assert one.headers["content-type"].startswith("application/fhir+json")
    assert one.json() == resources[0]
    page = (await admin.get("/fhir/AuditEvent", params={"_count": "2", "date": "ge2026-01-01"})).json()
    (following,) = (link["url"] for link in page["link"] if link["relation"] == "next")
    after = (await admin.get(following)).json()
    ids = [each["resource"]["id"] for each in page["entry"] + after["entry"]]
    assert len(set(ids)) == 4
    assert (await admin.get("/fhir/AuditEvent", params={"date": "lt2026-01-01"})).json()["entry"] == []
    for wrong in ({"moon": "1"}, {"date": "yesterday"}, {"_count": "x"}, {"type": "110100", "subtype": "110137"}):
        assert (await admin.get("/fhir/AuditEvent", params=wrong)).status_code == 400
    assert (await admin.get("/fhir/AuditEvent/nonsense")).status_code == 404
