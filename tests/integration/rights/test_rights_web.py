"""The whole server, over its sockets: scopes, broken glass and share links at the doors, and all of it on record."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from bench.corpus import Study, fresh_run, objects
from pydicom import Dataset
from pynetdicom import AE
from tests.fixtures.served import multipart_of

from filmroom.app.core import Core
from filmroom.app.server import open_server
from filmroom.security.audit_reading import Asked
from filmroom.security.principals import SYSTEM
from filmroom.security.scopes import Scope
from filmroom.settings import DimseSettings, SecuritySettings, Settings, StorageSettings, WebSettings

pytestmark = [pytest.mark.capability("6.3.2"), pytest.mark.asyncio(loop_scope="module")]

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
ROOT = "/dicom-web/studies"


@dataclass
class Site:
    """A running server with two stored studies, of two patients."""

    core: Core
    http_port: int
    dicom_port: int
    studies: list[Any] = field(default_factory=list)
    clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)

    async def person(self, name: str, role: str, scope: Scope | None = None) -> httpx2.AsyncClient:
        """A client of somebody new with this role."""
        account, _ = await self.core.accounts.add(SYSTEM, name, roles=[role], password=f"a long secret of {name}")
        if scope is not None:
            await self.core.keeping.book.give(SYSTEM, f"person:{account.pk}", role, scope)
        token = await self.core.tokens.issue(SYSTEM, name)
        return self.client({"authorization": f"Bearer {token}"}, name)

    def client(self, headers: dict[str, str], name: str) -> httpx2.AsyncClient:
        made = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.http_port}", headers=headers, timeout=30)
        self.clients[name] = made
        return made

    async def recorded(self, **asked: Any) -> list[Any]:
        await self.core.keeping.trail.follow()
        await self.core.keeping.trail.flush()
        return [each.event for each in await self.core.keeping.reading.search(SYSTEM, Asked(**asked), 1000)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder: Path = tmp_path_factory.mktemp("rights")
    settings = Settings(
        data=folder,
        admin_password="correct horse battery staple",
        web=WebSettings(port=0),
        dimse=DimseSettings(port=0),
        storage=StorageSettings(reserve_bytes=1 << 20),
        security=SecuritySettings(mass_access_studies=3),
    )
    async with open_server(settings, frozenset({"web", "work", "dimse"})) as server:
        made = Site(server.core, server.http_port, server.dicom_port)
        made.studies = [Study(fresh_run(), number) for number in range(4)]
        admin = await made.person("ada", "administrator")
        for study in made.studies:
            body, media = multipart_of([each.part10() for each in objects("tiny", study, 2)])
            assert (await admin.post(ROOT, content=body, headers={"content-type": media})).status_code == 200
        yield made
        for client in made.clients.values():
            await client.aclose()


async def addresses(client: httpx2.AsyncClient, uid: str) -> dict[str, int]:
    """The status of every address of a study."""
    admin_like = f"{ROOT}/{uid}"
    return {
        path: (await client.get(f"{admin_like}{path}")).status_code
        for path in ("", "/metadata", "/series", "/instances", "/rendered", "/thumbnail", "/bulkdata")
    }


async def listed(client: httpx2.AsyncClient) -> set[str]:
    found = await client.get(ROOT)
    return {each["0020000D"]["Value"][0] for each in found.json()} if found.status_code == 200 else set()


async def test_a_scope_holds_at_every_address(site: Site):
    mine, other = site.studies[0].uid, site.studies[1].uid
    viewer = await site.person("vera", "viewer", Scope(studies=frozenset({mine})))
    assert await listed(viewer) == {mine}
    seen = await addresses(viewer, mine)
    hidden = await addresses(viewer, other)
    absent = await addresses(viewer, "1.2.3.4.5")
    assert seen[""] == seen["/metadata"] == seen["/series"] == 200
    assert hidden == absent
    assert 200 not in hidden.values()
    changes = (await viewer.get("/api/v1/changes?after=0")).json()
    assert {each["data"]["study_uid"] for each in changes["changes"] if "study_uid" in each["data"]} == {mine}
    counted = (await viewer.get("/api/v1/studies?count=true")).json()
    assert [each["uid"] for each in counted["studies"]] == [mine]
    assert counted["total"] == 1


async def test_the_same_scope_holds_for_a_device(site: Site):
    mine = site.studies[0].uid
    await site.core.keeping.book.give(SYSTEM, "device:WARD5", "viewer", Scope(studies=frozenset({mine})))

    def ask(calling: str) -> set[str]:
        ae = AE(calling)
        ae.add_requested_context(FIND)
        association = ae.associate("127.0.0.1", site.dicom_port, ae_title="FILMROOM")
        assert association.is_established
        question = Dataset()
        question.QueryRetrieveLevel = "STUDY"
        question.StudyInstanceUID = ""
        found = {answer.StudyInstanceUID for status, answer in association.send_c_find(question, FIND) if answer}
        association.release()
        return found

    assert await asyncio.to_thread(ask, "WARD5") == {mine}
    assert await asyncio.to_thread(ask, "OTHER") == {study.uid for study in site.studies}
    queries = [event for event in await site.recorded(who="device:WARD5") if event.kind.value == "query"]
    assert [(event.door, event.address) for event in queries] == [("dimse", "127.0.0.1")]


async def test_a_role_of_ones_own_allows_what_it_says(site: Site):
    officer = await site.person("otto", "security-officer")
    assert (await officer.get(ROOT)).status_code == 403
    asked = {"actions": ["view", "print"], "scopes": [{"studies": [site.studies[2].uid]}]}
    assert (await officer.put("/api/v1/roles/ward-doctor", json=asked)).status_code == 204
    assert (await officer.put("/api/v1/roles/viewer", json=asked)).status_code == 422
    wrong = {"actions": ["view"], "scopes": [{"moon": True}]}
    assert (await officer.put("/api/v1/roles/other", json=wrong)).status_code == 422
    doctor = await site.person("doro", "viewer", Scope(sites=frozenset({"Nowhere"})))
    assert await listed(doctor) == set()
    pk = (await site.core.accounts.get(SYSTEM, "doro")).pk
    given = await officer.post("/api/v1/grants", json={"principal": f"person:{pk}", "role": "ward-doctor"})
    assert given.status_code == 204
    await until(lambda: _is(listed(doctor), {site.studies[2].uid}))
    assert (await officer.delete("/api/v1/roles/ward-doctor")).status_code == 409
    assert (await doctor.get("/api/v1/roles")).status_code == 403
    assert (await doctor.get("/api/v1/audit")).status_code == 403
    assert (await officer.get("/api/v1/audit")).status_code == 403
    refused = [event.what for event in await site.recorded(who="otto") if event.kind.value == "refused"]
    assert {"GET /dicom-web/studies", "GET /api/v1/audit"} <= set(refused)


async def _is(coming: Awaitable[Any], wanted: Any) -> bool:
    return bool(await coming == wanted)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Sessions and tokens remember for some seconds who somebody is."""
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.1)


@pytest.mark.capability("6.3.3")
async def test_a_protected_patient_is_seen_by_who_breaks_the_glass(site: Site):
    uid = site.studies[3].uid
    officer = await site.person("olga", "security-officer")
    reader = await site.person("rita", "radiologist")
    other = await site.person("rolf", "radiologist")
    assert uid in await listed(reader)
    async with site.core.database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT i.value, i.issuer FROM study s JOIN patient_identifier i ON i.patient_pk = s.patient_pk"
            " WHERE study_uid = $1",
            uid,
        )
    patient = {"patient_id": row["value"], "issuer": row["issuer"]}
    assert (await officer.post("/api/v1/protected-patients", json=patient)).status_code == 204
    await until(lambda: _is(listed(reader), await_without(site, uid)))
    assert 200 not in (await addresses(reader, uid)).values()
    short = await reader.post("/api/v1/broken-glass", json={"reason": "x", **patient})
    assert short.status_code == 422
    broken = await reader.post("/api/v1/broken-glass", json={"reason": "trauma in room 2", **patient})
    assert broken.status_code == 201
    await until(lambda: _has(listed(reader), uid))
    assert (await reader.get(f"{ROOT}/{uid}/metadata")).status_code == 200
    assert uid not in await listed(other)
    number = broken.json()["ids"][0]
    assert (await other.delete(f"/api/v1/broken-glass/{number}")).status_code == 404
    assert (await reader.delete(f"/api/v1/broken-glass/{number}")).status_code == 204
    assert uid not in await listed(reader)
    events = await site.recorded(patient=row["value"])
    kinds = {event.kind.value for event in events}
    assert {"rights-changed", "glass-broken", "accessed"} <= kinds
    reasons = [event.detail.get("reason") for event in events if event.kind.value == "glass-broken"]
    assert "trauma in room 2" in reasons
    alerts = {event.what for event in await site.recorded() if event.kind.value == "alert"}
    assert {"glass-broken", "protected-access"} <= alerts
    facts = (await site.clients["ada"].get("/api/v1/changes?after=0&kind=AuditAlert")).json()["changes"]
    assert facts
    assert (await officer.delete("/api/v1/protected-patients", params=patient)).status_code == 204


def await_without(site: Site, uid: str) -> set[str]:
    return {study.uid for study in site.studies} - {uid}


async def _has(coming: Awaitable[set[str]], uid: str) -> bool:
    return uid in await coming


@pytest.mark.capability("6.3.3")
async def test_a_share_link_shows_its_studies_and_nothing_else(site: Site):
    uid = site.studies[1].uid
    reader = await site.person("rosa", "radiologist")
    asked = {"studies": [uid], "pin": "4711", "max_opens": 2, "label": "for Dr. Li"}
    made = await reader.post("/api/v1/shares", json=asked)
    assert made.status_code == 201
    path = made.json()["path"]
    assert (await reader.post("/api/v1/shares", json={"studies": ["1.2.3.4"]})).status_code == 404

    guest = site.client({}, "guest")
    assert (await guest.get(path)).status_code == 200
    assert (await guest.post(path, data={"pin": "0000"})).status_code == 404
    opened = await guest.post(path, data={"pin": "4711"})
    assert opened.status_code == 303
    assert uid in opened.headers["location"]
    assert await listed(guest) == {uid}
    assert (await guest.get(f"{ROOT}/{uid}/metadata")).status_code == 200
    assert 200 not in (await addresses(guest, site.studies[0].uid)).values()
    for forbidden in ("/api/v1/audit", "/api/v1/roles", "/api/v1/devices"):
        assert (await guest.get(forbidden)).status_code == 403

    again = site.client({}, "guest 2")
    assert (await again.post(path, data={"pin": "4711"})).status_code == 303
    third = site.client({}, "guest 3")
    assert (await third.post(path, data={"pin": "4711"})).status_code == 404

    links = (await reader.get("/api/v1/shares")).json()["links"]
    assert [(link["opens"], link["label"], link["has_pin"]) for link in links] == [(2, "for Dr. Li", True)]
    assert (await reader.delete(f"/api/v1/shares/{links[0]['id']}")).status_code == 204
    assert (await guest.get(ROOT)).status_code == 401
    done = {event.what for event in await site.recorded(study=uid)}
    assert {"link made", "wrong PIN", "link opened"} <= done


@pytest.mark.capability("7.3.1")
async def test_a_study_opened_is_one_record_and_a_question_is_one(site: Site):
    uid = site.studies[0].uid
    reader = await site.person("ruth", "radiologist")
    for _ in range(30):
        assert (await reader.get(f"{ROOT}/{uid}/metadata")).status_code == 200
        assert (await reader.get(f"{ROOT}/{uid}")).status_code == 200
    await listed(reader)
    events = await site.recorded(who="ruth")
    assert sorted(event.kind.value for event in events if event.kind.value in ("accessed", "query")) == [
        "accessed",
        "query",
    ]
    opened = next(event for event in events if event.kind.value == "accessed")
    assert (opened.door, opened.address, opened.studies) == ("web", "127.0.0.1", (uid,))
    assert opened.patients[0].id
    stored = [event for event in await site.recorded(study=uid) if event.kind.value == "stored"]
    assert sum(event.instances or 0 for event in stored) == 2


@pytest.mark.capability("7.3.2")
async def test_many_studies_in_an_hour_raise_an_alert(site: Site):
    reader = await site.person("mona", "radiologist")
    for study in site.studies:
        await reader.get(f"{ROOT}/{study.uid}/metadata")
    alerts = [event for event in await site.recorded(who="mona") if event.what == "mass-access"]
    assert [event.detail["count"] for event in alerts] == [3]


@pytest.mark.capability("7.3.2")
async def test_an_auditor_reads_and_sees_no_images(site: Site):
    auditor = await site.person("arno", "auditor")
    assert (await auditor.get(ROOT)).status_code == 403
    found = (await auditor.get("/api/v1/audit?limit=5")).json()
    assert len(found["records"]) == 5
    assert found["next"] == found["records"][-1]["seq"]
    patient = next(each for each in (await site.recorded()) if each.kind.value == "accessed").patients[0].id
    report = (await auditor.get("/api/v1/audit/patient", params={"patient": patient})).json()
    assert any(each["kinds"] == ["accessed"] for each in report["viewers"])
    bundle = (await auditor.get("/api/v1/audit/fhir?kind=accessed")).json()
    assert bundle["entry"][0]["resource"]["resourceType"] == "AuditEvent"
    verdict = (await auditor.post("/api/v1/audit/verification")).json()
    assert verdict["good"], verdict["faults"]
