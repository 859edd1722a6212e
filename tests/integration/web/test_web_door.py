"""Nobody gets in by default, and what a browser needs to get in works."""

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.fixtures.served import PASSWORD, Served, serve

from filmroom.db.pool import Database
from filmroom.net.web.door import COOKIE
from filmroom.security.principals import SYSTEM
from filmroom.settings import WebSettings

UID = "1.2.3"
GUARDED = [
    "/",
    "/viewer/",
    "/viewer/app-config.js",
    "/console/",
    "/api/v1/me",
    "/dicom-web/studies",
    "/dicom-web/series",
    "/dicom-web/instances",
    f"/dicom-web/studies/{UID}",
    f"/dicom-web/studies/{UID}/metadata",
    f"/dicom-web/studies/{UID}/series/{UID}/instances/{UID}/frames/1",
    f"/dicom-web/studies/{UID}/series/{UID}/instances/{UID}/rendered",
    "/no/such/thing",
]


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that keeps cookies and says what browsers say."""
    headers = {"accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"}
    async with served.stranger(headers=headers) as client:
        yield client


async def sign_in(client: httpx2.AsyncClient, name: str = "admin", password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/login", data={"name": name, "password": password})


@pytest.mark.capability("6.3.1")
async def test_a_program_without_credentials_is_answered_401(served: Served) -> None:
    async with served.stranger() as client:
        for path in GUARDED:
            answer = await client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert [each.split()[0] for each in answer.headers.get_list("www-authenticate")] == ["Bearer", "Basic"]
        assert (await client.post("/dicom-web/studies", content=b"x")).status_code == 401


@pytest.mark.capability("6.3.1")
async def test_a_browser_that_navigates_is_shown_the_login_page(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/viewer/viewer?StudyInstanceUIDs=1.2.3", headers={"sec-fetch-mode": "navigate"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fviewer%2Fviewer%3FStudyInstanceUIDs%3D1.2.3"
    page = await browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert "Sign in" in page.text


async def test_a_script_of_a_page_gets_no_password_box(served: Served) -> None:
    async with served.stranger(headers={"sec-fetch-mode": "cors"}) as client:
        answer = await client.get("/dicom-web/studies")
    assert answer.headers.get_list("www-authenticate") == ['Bearer realm="Filmroom"']


async def test_health_needs_no_login(served: Served) -> None:
    async with served.stranger() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ok", "checks": {"database": "ok"}}


@pytest.mark.capability("6.3.1")
async def test_signing_in_and_out(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/login?next=/viewer/", data={"name": "Admin", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/viewer/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert (await browser.get("/api/v1/me")).json()["name"] == "admin"
    kept = browser.cookies[COOKIE]
    assert (await browser.post("/logout")).status_code == 303
    browser.cookies.set(COOKIE, kept)
    assert (await browser.get("/api/v1/me", headers={"accept": "application/json"})).status_code == 401


@pytest.mark.parametrize(
    "target",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/login", "/a\r\nX: y"],
)
async def test_nobody_is_sent_elsewhere_after_signing_in(target: str, browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/login", params={"next": target}, data={"name": "admin", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.capability("6.3.1")
async def test_five_wrong_passwords_lock_the_account(browser: httpx2.AsyncClient) -> None:
    for _ in range(5):
        assert (await sign_in(browser, password="wrong")).status_code == 401
    answer = await sign_in(browser)
    assert answer.status_code == 429
    assert "locked" in answer.text


@pytest.mark.capability("6.3.1")
async def test_a_one_time_password_must_be_changed_before_anything_else(
    served: Served, browser: httpx2.AsyncClient
) -> None:
    _, one_time = await served.services.accounts.add(SYSTEM, "rita", roles=["radiologist"])
    assert one_time is not None
    answer = await sign_in(browser, "rita", one_time)
    assert answer.headers["location"].startswith("/login")
    assert (await browser.get("/api/v1/me", headers={"accept": "application/json"})).status_code == 403
    page = await browser.get("/login")
    assert "one-time password" in page.text
    for new, repeat in [("short", "short"), ("a long sentence", "another one"), (one_time, one_time)]:
        assert (await browser.post("/login", data={"new": new, "repeat": repeat})).status_code == 422
    answer = await browser.post("/login", data={"new": "a long sentence", "repeat": "a long sentence"})
    assert answer.status_code == 303
    assert (await browser.get("/api/v1/me")).json()["roles"] == ["radiologist"]
    assert (await sign_in(browser, "rita", one_time)).status_code == 401


async def test_a_page_of_another_site_can_do_nothing(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "", "origin": "https://evil.example"}):
        answer = await browser.put("/api/v1/devices/EVIL", json={"host": "h", "port": 1}, headers=headers)
        assert answer.status_code == 403
        assert (await browser.post("/logout", headers=headers)).status_code == 403


@pytest.mark.capability("6.3.1")
async def test_programs_may_use_a_token_or_a_password(served: Served) -> None:
    async with served.stranger() as client:
        right = {"authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()}
        assert (await client.get("/api/v1/me", headers=right)).status_code == 200
        for wrong in (
            "Basic !!",
            "Basic YQ==",
            "Bearer fr_forged",
            "Bearer x",
            "Digest x",
            f"Bearer {served.token[:-1]}",
        ):
            assert (await client.get("/api/v1/me", headers={"authorization": wrong})).status_code == 401


@pytest.mark.capability("6.3.1")
async def test_a_revoked_token_and_a_disabled_account_are_out(served: Served) -> None:
    made = await served.client.post("/api/v1/tokens", json={"label": "script", "days": 30})
    text = made.json()["token"]
    assert re.fullmatch(r"fr_[\w-]{43}", text)
    async with served.stranger(headers={"authorization": f"Bearer {text}"}) as client:
        assert (await client.get("/api/v1/me")).status_code == 200
        rows = (await served.client.get("/api/v1/tokens")).json()["tokens"]
        assert text not in str(rows)
        mine = next(row["id"] for row in rows if row["label"] == "script")
        assert (await served.client.delete(f"/api/v1/tokens/{mine}")).status_code == 204
        assert (await client.get("/api/v1/me")).status_code == 401
    assert (await served.client.delete("/api/v1/tokens/999")).status_code == 404


async def test_headers_of_every_part_of_the_site(served: Served) -> None:
    for path in ("/login", "/viewer/app-config.js", "/dicom-web/studies", "/api/v1/me", "/no-such"):
        headers = (await served.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"
    isolated = (await served.client.get("/viewer/app-config.js")).headers
    assert isolated["cross-origin-opener-policy"] == "same-origin"
    assert isolated["cross-origin-embedder-policy"] == "require-corp"
    assert "cross-origin-opener-policy" not in (await served.client.get("/login")).headers


async def test_the_login_page_speaks_chinese(served: Served) -> None:
    async with served.stranger(headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}) as client:
        page = (await client.get("/login")).text
        assert '<html lang="zh-Hans">' in page
        assert "密码" in page
        answer = await client.get("/login?lang=en")
        assert "Password" in answer.text
        assert "Password" in (await client.get("/login")).text, "the choice is remembered"


async def test_what_is_typed_is_never_markup(browser: httpx2.AsyncClient) -> None:
    evil = '"><script>alert(1)</script>'
    page = await browser.post("/login", params={"next": evil}, data={"name": evil, "password": "x"})
    assert "<script" not in page.text


@pytest.mark.capability("6.3.2")
async def test_a_viewer_may_look_and_do_no_more(served: Served) -> None:
    await served.services.accounts.add(SYSTEM, "nina", roles=["viewer"], password="nina reads here")
    token = await served.services.tokens.issue(SYSTEM, "nina")
    study, _ = await served.stored()
    async with served.stranger(headers={"authorization": f"Bearer {token}"}) as client:
        assert (await client.get(f"/dicom-web/studies/{study.uid}/metadata")).status_code == 200
        answer = await client.post("/dicom-web/studies", content=b"x", headers={"content-type": "application/dicom"})
        assert answer.status_code == 403
        assert (await client.get("/api/v1/devices")).status_code == 403
        assert (await client.put("/api/v1/devices/X", json={"host": "h", "port": 1})).status_code == 403
        assert (await client.get("/api/v1/quarantine")).status_code == 403


async def test_devices_of_the_console(served: Served) -> None:
    body = {"host": "10.0.0.7", "port": 104, "description": "CT 1"}
    assert (await served.client.put("/api/v1/devices/CT1", json=body)).status_code == 200
    found = (await served.client.get("/api/v1/devices")).json()["devices"]
    assert [(each["ae_title"], each["host"], each["enabled"]) for each in found] == [("CT1", "10.0.0.7", True)]
    for title, bad in [("CT1", {"host": "a b", "port": 1}), ("CT1", {"host": "h", "port": 0}), ("x" * 17, body)]:
        assert (await served.client.put(f"/api/v1/devices/{title}", json=bad)).status_code == 422
    assert (await served.client.put("/api/v1/devices/CT1", content=b"{")).status_code == 415
    assert (await served.client.delete("/api/v1/devices/CT1")).status_code == 204
    assert (await served.client.delete("/api/v1/devices/CT1")).status_code == 404


async def test_a_body_is_never_longer_than_allowed(database: Database, tmp_path: Path) -> None:
    async with serve(database, tmp_path, web=WebSettings(max_json_bytes=100, max_store_bytes=1000)) as served:
        answer = await served.client.post("/api/v1/tokens", json={"label": "x" * 200})
        assert answer.status_code == 413
        headers = {"content-type": "application/dicom"}
        assert (await served.client.post("/dicom-web/studies", content=b"x" * 2000, headers=headers)).status_code == 413
        answer = await served.client.post(
            "/dicom-web/studies", content=b"x", headers={**headers, "content-encoding": "gzip"}
        )
        assert answer.status_code == 415
