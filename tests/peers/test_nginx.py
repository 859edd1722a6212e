"""Behind a real reverse proxy with TLS, below a path: every address that is handed out leads back through it."""

import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.nginx import nginx
from tests.fixtures.served import PASSWORD, Served, multipart_of, serve
from tests.fixtures.tls_files import Authority

from filmroom.db.pool import Database
from filmroom.settings import WebSettings

pytestmark = pytest.mark.capability("6.1.1")


@dataclass(frozen=True)
class Fronted:
    served: Served
    port: int
    trust: ssl.SSLContext

    def client(self, prefix: str, **more: object) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=f"https://127.0.0.1:{self.port}{prefix}", verify=self.trust, **more)  # type: ignore[arg-type]


@pytest.fixture
async def fronted(database: Database, tmp_path: Path) -> AsyncIterator[Fronted]:
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("pacs", san="IP:127.0.0.1")
    web = WebSettings(trusted_proxies="127.0.0.0/8")
    async with serve(database, tmp_path / "archive", web=web) as served:
        with nginx(tmp_path / "nginx", served.port, pair) as port:
            yield Fronted(served, port, ssl.create_default_context(cafile=str(authority.certificate)))


@pytest.mark.parametrize("prefix", ["/pacs", "/images"])
async def test_signing_in_through_the_proxy(fronted: Fronted, prefix: str) -> None:
    async with fronted.client(prefix) as client:
        sent = await client.get("/console/", headers={"accept": "text/html", "sec-fetch-mode": "navigate"})
        assert sent.status_code == 303
        assert sent.headers["location"] == f"{prefix}/login?next=%2Fconsole%2F"
        page = await client.get("/login?next=%2Fconsole%2F")
        links = re.findall(r'(?:href|src|action)="([^"#]+)"', page.text)
        assert links
        assert all(link.startswith(f"{prefix}/") for link in links), links
        for link in set(links):
            assert (
                await client.get(f"https://127.0.0.1:{fronted.port}{link.replace('&amp;', '&')}")
            ).status_code == 200
        form = {"name": "admin", "password": PASSWORD}
        entered = await client.post(
            "/login?next=%2Fconsole%2F", data=form, headers={"origin": f"https://127.0.0.1:{fronted.port}"}
        )
        assert entered.status_code == 303
        assert entered.headers["location"] == f"{prefix}/console/"
        cookie = entered.headers["set-cookie"].lower()
        assert f"path={prefix}/;" in cookie + ";"
        assert "secure" in cookie
        page = await client.get("/console/")
        assert page.status_code == 200
        scripts = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        assert scripts
        assert all(each.startswith(f"{prefix}/console/") for each in scripts)
        for each in scripts:
            got = await client.get(f"https://127.0.0.1:{fronted.port}{each}")
            assert got.status_code == 200
            if each.endswith(".js"):
                assert b'"/api/v1' not in got.content
        viewer = await client.get("/viewer/")
        assert f'PUBLIC_URL="{prefix}/viewer/"' in viewer.text
        settings = await client.get("/viewer/app-config.js")
        assert f'"qidoRoot":"{prefix}/dicom-web"' in settings.text
        assert f'"routerBasename":"{prefix}/viewer"' in settings.text


async def test_addresses_of_objects_lead_through_the_proxy(fronted: Fronted) -> None:
    run = Study(fresh_run(), 0)
    items = list(objects("ct", run, 2))
    body, media = multipart_of([each.part10() for each in items])
    root = f"https://127.0.0.1:{fronted.port}/pacs"
    async with fronted.client("/pacs", headers={"authorization": f"Bearer {fronted.served.token}"}) as client:
        stored = await client.post("/dicom-web/studies", content=body, headers={"content-type": media})
        assert stored.status_code == 200
        address = stored.json()["00081190"]["Value"][0]
        assert address == f"{root}/dicom-web/studies/{run.uid}"
        assert (await client.get(f"{address}/metadata")).status_code == 200
        found = (await client.get("/dicom-web/studies", params={"StudyInstanceUID": run.uid})).json()
        assert found[0]["00081190"]["Value"][0] == address
        parts = await client.get(address)
        locations = re.findall(rb"Content-Location: (\S+)", parts.content)
        assert len(locations) == 2
        assert all(each.startswith(address.encode()) for each in locations)
        metadata = (await client.get(f"{address}/metadata")).json()
        for each in metadata:
            pixels = each["7FE00010"]["BulkDataURI"]
            assert not urlsplit(pixels).netloc, "without a host, so that no proxy can break it"
            got = await client.get(httpx2.URL(address).join(pixels), headers={"accept": "*/*"})
            assert got.status_code == 200
        launched = await client.get("/viewer", params={"requestType": "STUDY", "studyUID": run.uid})
        assert launched.headers["location"] == f"/pacs/viewer/viewer?StudyInstanceUIDs={run.uid}"


async def test_who_is_no_trusted_proxy_moves_nothing(database: Database, tmp_path: Path) -> None:
    said = {"x-forwarded-prefix": "/evil", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    async with serve(database, tmp_path) as served:
        study, _ = await served.stored()
        got = await served.client.get(f"/dicom-web/studies?StudyInstanceUID={study.uid}", headers=said)
        assert got.json()[0]["00081190"]["Value"][0].startswith(f"{served.url}/dicom-web/")
        async with served.stranger() as stranger:
            page = await stranger.get("/viewer/", headers={"accept": "text/html", **said})
        assert page.headers["location"].startswith("/login")


async def test_a_path_in_the_public_address_holds_for_everyone(database: Database, tmp_path: Path) -> None:
    async with serve(database, tmp_path, web=WebSettings(public_url="https://pacs.example.org/images")) as served:
        study, _ = await served.stored()
        for path in ("/dicom-web/studies", "/images/dicom-web/studies"):
            got = await served.client.get(path, params={"StudyInstanceUID": study.uid})
            assert got.json()[0]["00081190"]["Value"] == [
                f"https://pacs.example.org/images/dicom-web/studies/{study.uid}"
            ]
        async with served.stranger() as stranger:
            page = await stranger.get("/viewer/", headers={"accept": "text/html"})
        assert page.headers["location"].startswith("/images/login?next=")
