"""Second factors through the login pages, as a browser sends its forms."""

import dataclasses
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pyotp
import pytest
from tests.fixtures.served import PASSWORD, Served, serve

from filmroom.base.errors import Corrupt
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM
from filmroom.security.sealing import Sealing
from filmroom.settings import PeopleSettings, Settings

BROWSER = {"accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"}


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.stranger(headers=BROWSER) as client:
        yield client


async def sign_in(client: httpx2.AsyncClient, name: str = "admin", password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/login", data={"name": name, "password": password})


def code(secret: str, off: int = 0) -> str:
    return pyotp.TOTP(secret).generate_otp(int(datetime.now(UTC).timestamp()) // 30 + off)


async def enrol(client: httpx2.AsyncClient, path: str = "/login/factors") -> tuple[str, list[str]]:
    """Set up an authenticator on the page: its secret and the recovery codes."""
    page = (await client.get(path)).text
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert found is not None
    assert "data:image/svg+xml;base64," in page
    secret = found[1].replace(" ", "")
    assert (await client.post(path, data={"code": "000000"})).status_code == 422
    done = await client.post(path, data={"code": code(secret, -1)})
    assert done.status_code == 200
    codes = re.findall(r"<li><code>([a-z2-9]{5}-[a-z2-9]{5})</code>", done.text)
    assert len(codes) == 10
    return secret, codes


async def me(client: httpx2.AsyncClient) -> int:
    return (await client.get("/api/v1/me", headers={"accept": "application/json"})).status_code


@pytest.mark.capability("6.3.1")
async def test_an_authenticator_is_set_up_and_asked_for_from_then_on(
    served: Served, browser: httpx2.AsyncClient
) -> None:
    await sign_in(browser)
    secret, recovery = await enrol(browser)
    async with served.stranger(headers=BROWSER) as other:
        answer = await sign_in(other)
        assert answer.headers["location"].startswith("/login?next=")
        assert await me(other) == 403
        assert (await other.get("/login/factors")).status_code == 303
        assert "authenticator app" in (await other.get("/login")).text
        assert (await other.post("/login", data={"code": "123456"})).status_code == 401
        # The code of the enrolment was spent with it.
        assert (await other.post("/login", data={"code": code(secret, -1)})).status_code == 401
        pending = dict(other.cookies)
        assert (await other.post("/login?next=/viewer/", data={"code": code(secret)})).headers["location"] == "/viewer/"
        assert await me(other) == 200
        assert dict(other.cookies) != pending
    async with served.stranger(headers=BROWSER) as third:
        await sign_in(third)
        assert (await third.post("/login", data={"code": code(secret)})).status_code == 401
        assert (await third.post("/login", data={"code": recovery[0].upper()})).status_code == 303
        assert await me(third) == 200
        await sign_in(third)
        assert (await third.post("/login", data={"code": recovery[0]})).status_code == 401


@pytest.mark.capability("6.3.1")
async def test_guessing_codes_locks(served: Served, browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    secret, _ = await enrol(browser)
    await sign_in(browser)
    for _ in range(5):
        assert (await browser.post("/login", data={"code": "000000"})).status_code == 401
    assert (await browser.post("/login", data={"code": code(secret, 1)})).status_code == 429


@pytest.mark.capability("6.3.1")
async def test_a_password_alone_opens_no_program_s_way_round_the_second_factor(
    served: Served, browser: httpx2.AsyncClient
) -> None:
    await sign_in(browser)
    await enrol(browser)
    async with served.stranger(auth=("admin", PASSWORD)) as program:
        answer = await program.get("/api/v1/me")
    assert answer.status_code == 401
    assert "token" in answer.json()["detail"]
    assert (await served.client.get("/api/v1/me")).status_code == 200


@pytest.mark.capability("6.3.1")
async def test_requests_that_come_together_are_one_attempt(served: Served) -> None:
    import asyncio

    async with served.stranger(auth=("admin", PASSWORD)) as program:
        answers = await asyncio.gather(*(program.get("/api/v1/me") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.capability("6.3.1")
async def test_an_administrator_takes_a_lost_factor_away(served: Served, browser: httpx2.AsyncClient) -> None:
    await served.services.accounts.add(SYSTEM, "rita", roles=["radiologist"], password=PASSWORD)
    await sign_in(browser, "rita")
    await enrol(browser)
    assert (await served.client.delete("/api/v1/accounts/rita/factors")).status_code == 204
    await sign_in(browser, "rita")
    assert await me(browser) == 200


@pytest.mark.capability("6.3.1", "7.3.3")
async def test_a_role_may_demand_a_second_factor(database: Database, tmp_path: Path) -> None:
    def change(settings: Settings) -> Settings:
        return dataclasses.replace(settings, people=PeopleSettings(factor_roles="security-officer, administrator"))

    async with serve(database, tmp_path, change=change) as served:
        async with served.stranger(headers=BROWSER) as browser:
            answer = await browser.post("/login?next=/viewer/", data={"name": "admin", "password": PASSWORD})
            assert await me(browser) == 403
            page = await browser.get(answer.headers["location"])
            assert page.headers["location"] == "/login/factors?next=%2Fviewer%2F"
            assert "Your role needs more" in (await browser.get(page.headers["location"])).text
            await enrol(browser, page.headers["location"])
            assert await me(browser) == 200
        async with served.stranger(auth=("admin", PASSWORD)) as program:
            assert (await program.get("/api/v1/me")).status_code == 401
        await served.services.accounts.add(SYSTEM, "rita", roles=["radiologist"], password=PASSWORD)
        async with served.stranger(headers=BROWSER) as browser:
            await sign_in(browser, "rita")
            assert await me(browser) == 200


def test_what_is_sealed_opens_with_its_key_and_purpose_only(tmp_path) -> None:  # type: ignore[no-untyped-def]
    sealing = Sealing.of(tmp_path / "key")
    sealed = sealing.seal(b"secret", "totp:1")
    assert b"secret" not in sealed
    assert (tmp_path / "key").stat().st_mode & 0o77 == 0
    assert Sealing.of(tmp_path / "key").open(sealed, "totp:1") == b"secret"
    for other, purpose in ((sealing, "totp:2"), (Sealing(bytes(32)), "totp:1")):
        with pytest.raises(Corrupt):
            other.open(sealed, purpose)
