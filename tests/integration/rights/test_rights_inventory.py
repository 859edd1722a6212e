"""Every door asks: a route or a DICOM service that lets somebody in who may nothing is found here, also a new one.

Somebody with an account and no role knocks at every address of the server, and a device whose role allows nothing
asks for every service. What is open to them stands in a table, with the reason.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import starlette.applications
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepRetrieve,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    Verification,
)
from starlette.routing import Route, WebSocketRoute

from filmroom.app.server import Server, open_server
from filmroom.net.web.door import OPEN_FOLDERS, OPEN_PATHS
from filmroom.security.principals import SYSTEM
from filmroom.security.roles import Action, Role
from filmroom.settings import DimseSettings, Settings, StorageSettings, WebSettings

pytestmark = [pytest.mark.capability("6.3.2"), pytest.mark.asyncio(loop_scope="module")]

# Behind the door and yet for everybody who has an account, with the reason.
OWN = {
    ("GET", "/"): "sends to the pages",
    ("GET", "/console/{path:path}"): "pages without data",
    ("GET", "/viewer/{path:path}"): "pages without data",
    ("GET", "/viewer/app-config.js"): "the viewer's configuration",
    ("GET", "/viewer/iid"): "sends on to the viewer; what it asks for is asked for by rights",
    ("GET", "/api/v1/me"): "who one is oneself",
    ("GET", "/api/v1/openapi.json"): "the description of the interface",
    ("GET", "/api/v1/tokens"): "one's own",
    ("POST", "/api/v1/tokens"): "one's own, of no more rights than one has",
    ("DELETE", "/api/v1/tokens/{pk:int}"): "one's own",
    ("GET", "/api/v1/sessions"): "one's own",
    ("DELETE", "/api/v1/sessions/{pk:int}"): "one's own",
    ("GET", "/api/v1/jobs"): "one's own",
    ("GET", "/api/v1/jobs/{pk:int}"): "one's own",
    ("POST", "/api/v1/jobs/{pk:int}/cancel"): "one's own",
    ("GET", "/api/v1/broken-glass"): "one's own",
    ("DELETE", "/api/v1/broken-glass/{pk:int}"): "one's own",
    ("DELETE", "/api/v1/shares/{pk:int}"): "one's own",
    ("DELETE", "/api/v1/sessions"): "one's own",
    ("PUT", "/api/v1/me/password"): "one's own",
    ("GET", "/api/v1/me/factors"): "one's own",
    ("GET", "/docs/api"): "the description of the interface",
    ("GET", "/viewer"): "sends to the pages",
    ("POST", "/logout"): "one's own",
    ("GET", "/api/v1/status"): "whether the server is well; figures for administrators alone",
}


# What is read before anybody is asked, as far as to be understood.
UNDERSTOOD: dict[str, dict[str, Any]] = {
    "/wado": {"params": {"requestType": "WADO", "studyUID": "1.2", "seriesUID": "1.2.3", "objectUID": "1.2.4"}},
    "/studies": {
        "content": b"--x\r\nContent-Type: application/dicom\r\n\r\n\r\n--x--",
        "headers": {"content-type": 'multipart/related; type="application/dicom"; boundary=x'},
    },
    "/commitment-requests": {
        "content": b'[{"00081199":{"vr":"SQ","Value":[{"00081150":{"vr":"UI","Value":["1.2"]},'
        b'"00081155":{"vr":"UI","Value":["1.2.3"]}}]}}]',
        "headers": {"content-type": "application/dicom+json"},
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Server, list[Any]]]:
    routes: list[Any] = []

    class Noted(starlette.applications.Starlette):
        def __init__(self, *, routes: list[Any], **more: Any) -> None:
            noted.extend(routes)
            super().__init__(routes=routes, **more)

    noted = routes
    settings = Settings(
        data=tmp_path_factory.mktemp("inventory"),
        admin_password="correct horse battery staple",
        web=WebSettings(port=0),
        dimse=DimseSettings(port=0),
        storage=StorageSettings(reserve_bytes=1 << 20),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("filmroom.net.web.app.Starlette", Noted)
        async with open_server(settings, frozenset({"web", "dimse"})) as server:
            yield server, routes


def _needs(part: str, method: str, path: str) -> bool:
    return part in path and path.startswith(("/dicom-web", "/wado")) and (method != "GET" or part == "/wado")


def _knocks(routes: list[Any]) -> list[tuple[str, str, str]]:
    """Method, template and address of every route behind the door."""
    found = []
    for route in routes:
        if not isinstance(route, Route) or route.path in OPEN_PATHS or route.path.startswith(OPEN_FOLDERS):
            continue
        path = re.sub(r"\{\w+:int\}", "1", route.path)
        path = path.replace("{path:path}", "").replace("{frames}", "1")
        path = re.sub(r"\{\w+(:\w+)?\}", "1.2.3", path)
        found += [(method, route.path, path) for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


async def test_who_has_no_role_is_refused_everywhere(site: tuple[Server, list[Any]]):
    server, routes = site
    await server.core.accounts.add(SYSTEM, "nobody", roles=[], password="a long secret of nobody")
    token = await server.core.tokens.issue(SYSTEM, "nobody")
    knocks = _knocks(routes)
    assert len(knocks) > 150
    let_in = {}
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{server.http_port}", headers={"authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        for method, template, path in knocks:
            if (method, template) in OWN:
                continue
            body = {} if method == "GET" else {"content": b"{}", "headers": {"content-type": "application/json"}}
            body = next((UNDERSTOOD[part] for part in UNDERSTOOD if _needs(part, method, path)), body)
            async with client.stream(method, path, **body) as answer:
                if answer.status_code != 403:
                    let_in[method, template] = answer.status_code
    assert not let_in, "\n".join(f"{status} {method} {path}" for (method, path), status in let_in.items())
    assert OWN.keys() <= {(method, template) for method, template, _ in knocks}, "what is gone needs no exception"


async def test_event_channels_ask_too(site: tuple[Server, list[Any]]):
    _, routes = site
    channels = {route.path for route in routes if isinstance(route, WebSocketRoute)}
    assert channels == {"/dicom-web/subscribers/{aetitle}"} or len(channels) == 1


# Each file of net/dimse/scp, by what asks for it below. A new one is put here with its question.
SERVICES = {
    "echo": "says nothing of anybody",
    "find": "find",
    "get": "get",
    "move": "move",
    "store": "store",
    "worklist": "worklist",
    "mpps": "performed",
    "ups": "items",
    "commit": "commitment",
    "availability": "notice",
    "parts": "parts",
}


async def test_every_service_is_asked_for():
    folder = resources.files("filmroom.net.dimse").joinpath("scp")
    files = {each.name[:-3] for each in folder.iterdir() if each.name.endswith(".py") and each.name != "__init__.py"}
    providers = {
        name for name in files if re.search(r"^class \w+Scp\b", folder.joinpath(f"{name}.py").read_text(), re.MULTILINE)
    }
    assert providers == SERVICES.keys()


def _asked(port: int) -> dict[str, list[int]]:
    """The statuses that a device which may nothing gets, by service."""
    ae = AE("NOBODY")
    notice, parts = "1.2.840.10008.5.1.4.33", "1.2.840.10008.5.1.4.1.2.4.3"
    wanted = (
        Verification,
        PatientRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelMove,
        StudyRootQueryRetrieveInformationModelGet,
        ModalityWorklistInformationFind,
        ModalityPerformedProcedureStep,
        ModalityPerformedProcedureStepRetrieve,
        UnifiedProcedureStepPush,
        UnifiedProcedureStepPull,
        StorageCommitmentPushModel,
        notice,
        parts,
    )
    for sop_class in wanted:
        ae.add_requested_context(sop_class)
    image = "1.2.840.10008.5.1.4.1.1.7"
    ae.add_requested_context(image, ExplicitVRLittleEndian)
    taken: list[Any] = []
    association = ae.associate(
        "127.0.0.1",
        port,
        ae_title="FILMROOM",
        ext_neg=[build_role(image, scu_role=True, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, lambda event: taken.append(event) or 0)],
    )
    assert association.is_established
    question = Dataset()
    question.QueryRetrieveLevel, question.StudyInstanceUID, question.PatientID = "STUDY", "1.2.3", ""
    step = Dataset()
    step.ScheduledProcedureStepSequence = [Dataset()]
    found = {"echo": [association.send_c_echo().Status], "find": [], "worklist": []}
    for model in (PatientRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelFind):
        found["find"] += [status.Status for status, _ in association.send_c_find(question, model)]
    found["worklist"] = [s.Status for s, _ in association.send_c_find(step, ModalityWorklistInformationFind)]
    move, get = StudyRootQueryRetrieveInformationModelMove, StudyRootQueryRetrieveInformationModelGet
    found["move"] = [status.Status for status, _ in association.send_c_move(question, "NOBODY", move)]
    found["get"] = [status.Status for status, _ in association.send_c_get(question, get)]
    found["parts"] = [status.Status for status, _ in association.send_c_get(_one_object(), parts)]
    made = _image(image)
    found["store"] = [association.send_c_store(made).Status]
    mpps = ModalityPerformedProcedureStep
    found["performed"] = [
        association.send_n_create(_begun(), mpps, "1.2.3.4")[0].Status,
        association.send_n_set(_begun(), mpps, "1.2.3.4")[0].Status,
        association.send_n_get([0x00400252], ModalityPerformedProcedureStepRetrieve, "1.2.3.4")[0].Status,
    ]
    found["items"] = [
        association.send_n_create(_begun(), UnifiedProcedureStepPush, "1.2.3.5")[0].Status,
        association.send_n_get([0x00741000], UnifiedProcedureStepPull, "1.2.3.5")[0].Status,
        *(status.Status for status, _ in association.send_c_find(_begun(), UnifiedProcedureStepPull)),
    ]
    about = Dataset()
    about.TransactionUID, about.ReferencedSOPSequence = "1.2.3.6", [_reference()]
    push = StorageCommitmentPushModelInstance
    found["commitment"] = [association.send_n_action(about, 1, StorageCommitmentPushModel, push)[0].Status]
    found["notice"] = [association.send_n_create(_begun(), notice, "1.2.3.7")[0].Status]
    association.release()
    assert not taken
    return found


def _one_object() -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.SOPInstanceUID = "IMAGE", "1.2.3"
    return asked


def _reference() -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.8"
    return item


def _begun() -> Dataset:
    made = Dataset()
    made.PerformedProcedureStepStatus = "IN PROGRESS"
    return made


def _image(sop_class: str) -> Dataset:
    from pydicom.dataset import FileMetaDataset

    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, "1.2.3.9"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.PatientID = "1.2.3", "1.2.3.1", "P"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


async def test_a_device_that_may_nothing_is_refused_every_service(site: tuple[Server, list[Any]]):
    server, _ = site
    keeping = server.core.keeping
    await keeping.book.put(SYSTEM, "nothing", Role(actions=frozenset({Action.PRINT})))
    await keeping.book.give(SYSTEM, "device:NOBODY", "nothing")
    found = await asyncio.to_thread(_asked, server.dicom_port)
    assert found.pop("echo") == [0]
    assert found.keys() == set(SERVICES.values()) - {SERVICES["echo"]}
    granted = {
        name: [hex(status) for status in statuses if status in (0, 0xFF00, 0xFF01)] for name, statuses in found.items()
    }
    assert not any(granted.values()), granted
    assert all(found.values()), found
