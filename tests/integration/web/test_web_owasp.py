"""What docs/operate/security.md promises of the web door and no other test shows (OWASP ASVS level 2)."""

import dataclasses
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.fixtures.served import PASSWORD, Served, serve

from filmroom.db.pool import Database
from filmroom.net.web.door import COOKIE
from filmroom.security.principals import SYSTEM
from filmroom.settings import Settings

pytestmark = pytest.mark.capability("6.3.1")

BROWSER = {"accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"}
SCRIPT = "<script>alert(1)</script>"
PLACES = ("/login", "/api/v1/me", "/dicom-web/studies", "/viewer/", "/console/", "/fhir/AuditEvent", "/no/such/thing")


async def test_a_session_planted_before_signing_in_is_worth_nothing_after(served: Served):
    async with served.stranger(headers=BROWSER) as browser:
        browser.cookies.set(COOKIE, "planted", domain="127.0.0.1")
        answer = await browser.post("/login", data={"name": "admin", "password": PASSWORD})
        first = answer.cookies[COOKIE]
        assert first != "planted"
        browser.cookies.clear()
        browser.cookies.set(COOKIE, first, domain="127.0.0.1")
        again = (await browser.post("/login", data={"name": "admin", "password": PASSWORD})).cookies[COOKIE]
        assert again != first
        for old in ("planted", first):
            async with served.stranger(cookies={COOKIE: old}) as other:
                assert (await other.get("/api/v1/me")).status_code == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(database: Database, tmp_path: Path):
    def behind_tls(settings: Settings) -> Settings:
        return dataclasses.replace(settings, web=dataclasses.replace(settings.web, public_url="https://pacs.example"))

    async with serve(database, tmp_path, change=behind_tls) as served, served.stranger(headers=BROWSER) as browser:
        answer = await browser.post("/login", data={"name": "admin", "password": PASSWORD})
        parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/", "secure"} <= parts


async def test_over_tls_browsers_are_told_to_stay_there(database: Database, tmp_path: Path):
    def proxied(settings: Settings) -> Settings:
        return dataclasses.replace(settings, web=dataclasses.replace(settings.web, trusted_proxies="127.0.0.0/8"))

    async with serve(database, tmp_path, change=proxied) as served, served.stranger() as client:
        for place in PLACES:
            answer = await client.get(place, headers={"x-forwarded-proto": "https"})
            assert answer.headers["strict-transport-security"] == "max-age=31536000", place
            plain = await client.get(place)
            assert "strict-transport-security" not in plain.headers
            assert plain.headers["x-content-type-options"] == "nosniff"
            assert plain.headers["content-security-policy"]
            assert "camera=()" in plain.headers["permissions-policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "a\tb", "pacs.example@evil.example"])
async def test_a_host_that_somebody_makes_up_leads_nowhere(served: Served, host: str):
    async with served.stranger(headers={**BROWSER, "host": host, "sec-fetch-mode": "navigate"}) as browser:
        answer = await browser.get("/viewer/viewer?StudyInstanceUIDs=1")
        assert answer.status_code in {303, 400}
        assert answer.headers.get("location", "/").startswith("/")
        assert "evil" not in answer.headers.get("location", "")
        assert "evil" not in (await browser.get("/login")).text


async def test_a_request_of_another_site_to_sign_in_is_refused(served: Served):
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        async with served.stranger(headers=headers) as client:
            answer = await client.post("/login", data={"name": "admin", "password": PASSWORD})
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/viewer/../../etc/passwd", "/console/%2e%2e/%2e%2e/etc/passwd", "/static/..%2fdoor.py"]
)
async def test_no_address_leads_out_of_the_pages(served: Served, path: str):
    answer = await served.client.get(path)
    assert "root:" not in answer.text
    assert "Nobody gets in" not in answer.text


async def test_what_is_in_an_address_is_never_markup(served: Served):
    for place in (f"/login?next={quote(SCRIPT)}", f"/share/{quote(SCRIPT)}", f"/{quote(SCRIPT)}", f"/api/v1/{SCRIPT}"):
        answer = await served.client.get(place, headers=BROWSER)
        assert SCRIPT not in answer.text, place


async def test_a_line_break_in_what_is_given_makes_no_header(served: Served):
    reason = "x\r\nset-cookie: filmroom=planted"
    answer = await served.client.delete("/dicom-web/studies/1.2.3", params={"reason": reason})
    assert "set-cookie" not in answer.headers
    language = await served.client.get("/login", params={"language": reason, "next": f"/{reason}"})
    assert "planted" not in language.headers.get("set-cookie", "")


async def test_an_uploaded_page_is_never_shown_as_one(served: Served):
    answer = await served.client.post(
        "/api/v1/uploads", content=b"<html><script>alert(1)</script>", headers={"content-type": "text/html"}
    )
    assert answer.status_code < 500
    assert answer.headers["content-type"].startswith("application/")
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_a_squeezed_body_is_not_blown_up(served: Served):
    import gzip

    bomb = gzip.compress(bytes(50 << 20))
    answer = await served.client.post(
        "/api/v1/webhooks", content=bomb, headers={"content-encoding": "gzip", "content-type": "application/json"}
    )
    assert answer.status_code in {400, 413, 415, 422}


async def test_who_has_no_account_and_who_has_one_are_told_the_same(served: Served):
    await served.services.accounts.add(SYSTEM, "rita", roles=["viewer"], password="a long secret of rita")
    async with served.stranger(headers=BROWSER) as browser:
        told = [
            (await browser.post("/login", data={"name": name, "password": "wrong wrong wrong"}))
            for name in ("rita", "nobody")
        ]
    texts = {answer.text.replace("rita", "X").replace("nobody", "X") for answer in told}
    assert len(texts) == len({answer.status_code for answer in told}) == 1
