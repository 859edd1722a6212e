"""Signing in with an OpenID Connect provider, through the pages, as a browser goes."""

import dataclasses
import gc
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.fixtures.served import Served, serve

from filmroom.base.clock import SystemClock
from filmroom.db.pool import Database
from filmroom.net.web.oidc import BadProvider, OidcProvider
from filmroom.security.principals import SYSTEM
from filmroom.settings import OidcSettings, PeopleSettings, Settings

pytestmark = [
    pytest.mark.capability("6.3.1"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the provider's own
]
BROWSER = {"accept": "text/html", "accept-language": "en", "sec-fetch-mode": "navigate", "sec-fetch-site": "none"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The provider, on a free port."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from oidc_provider_mock import User, run_server_in_thread
    users = [
        User(sub="w1", claims={"preferred_username": "wang", "name": "王小明", "groups": ["/doctors", "x"]}),
        User(sub="g1", claims={"preferred_username": "guest", "groups": ["x"]}),
        User(sub="a1", claims={"preferred_username": "admin", "groups": ["doctors"]}),
    ]
    with run_server_in_thread(user_claims=users, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@asynccontextmanager
async def with_provider(
    database: Database, folder: Path, issuer: str, roles: str = "doctors=radiologist"
) -> AsyncIterator[Served]:
    provider = OidcSettings(issuer=issuer, client_id="filmroom", client_secret="s", roles=roles, label="the hospital")

    def change(settings: Settings) -> Settings:
        return dataclasses.replace(settings, people=PeopleSettings(oidc={"house": provider}))

    async with serve(database, folder, change=change) as running:
        yield running


@pytest.fixture
async def served(database: Database, tmp_path: Path, issuer: str) -> AsyncIterator[Served]:
    async with with_provider(database, tmp_path, issuer) as running:
        yield running


async def consent(address: str, sub: str) -> str:
    """Say at the provider who we are: where it sends the browser."""
    async with httpx2.AsyncClient() as provider:
        answer = await provider.post(address, data={"sub": sub})
    assert answer.status_code == 302
    return answer.headers["location"]


async def sign_in(client: httpx2.AsyncClient, sub: str, path: str = "/login/with/house") -> httpx2.Response:
    there = await client.get(path)
    assert there.status_code == 303
    return await client.get(await consent(there.headers["location"], sub))


async def test_a_doctor_comes_in_with_the_role_of_the_group(served: Served) -> None:
    async with served.stranger(headers=BROWSER) as browser:
        page = await browser.get("/login?next=/viewer/")
        link = re.search(r'href="(/login/with/house[^"]*)">Sign in with the hospital', page.text)
        assert link is not None
        answer = await sign_in(browser, "w1", link[1])
        assert (answer.status_code, answer.headers["location"]) == (303, "/viewer/")
        me = (await browser.get("/api/v1/me")).json()
        assert (me["name"], me["display_name"], me["roles"]) == ("wang", "王小明", ["radiologist"])
        await sign_in(browser, "w1")
        assert [each.name for each in await served.services.accounts.list(SYSTEM)] == ["admin", "wang"]
        [session] = (await browser.get("/api/v1/sessions")).json()["sessions"]
        assert session["method"] == "oidc"
        out = await browser.post("/logout", headers={"sec-fetch-site": "same-origin"})
        asked = parse_qs(urlsplit(out.headers["location"]).query)
        assert asked["client_id"] == ["filmroom"]
        assert asked["post_logout_redirect_uri"] == [f"{served.url}/login?signed-out"]


async def test_the_browser_is_sent_with_state_nonce_and_a_challenge(served: Served) -> None:
    async with served.stranger(headers=BROWSER) as browser:
        asked = parse_qs(urlsplit((await browser.get("/login/with/house")).headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {len(asked[each][0]) for each in ("state", "nonce", "code_challenge")} == {43}
    assert asked["redirect_uri"] == [f"{served.url}/login/with/house/return"]


async def test_somebody_without_a_role_is_told_so(served: Served) -> None:
    async with served.stranger(headers=BROWSER) as browser:
        answer = await sign_in(browser, "g1")
        assert answer.headers["location"] == "/login?refused"
        assert "whether you have a role here" in (await browser.get("/login?refused")).text
    assert [each.name for each in await served.services.accounts.list(SYSTEM)] == ["admin"]


async def test_a_provider_s_admin_is_not_ours(served: Served) -> None:
    async with served.stranger(headers=BROWSER) as browser:
        await sign_in(browser, "a1")
        me = (await browser.get("/api/v1/me")).json()
    assert (me["name"], me["roles"]) == ("admin@house", ["radiologist"])


async def test_an_answer_works_once_in_the_browser_that_asked(served: Served) -> None:
    async with served.stranger(headers=BROWSER) as browser, served.stranger(headers=BROWSER) as other:
        there = await browser.get("/login/with/house")
        back = await consent(there.headers["location"], "w1")
        assert (await other.get(back)).headers["location"] == "/login?refused"
        forged = re.sub(r"code=[^&]+", "code=forged", back)
        assert (await browser.get(forged)).headers["location"] == "/login?refused"
        assert (await browser.get(back)).headers["location"] == "/login?refused"
        assert (
            (await browser.get("/login/with/house/return?error=access_denied")).headers["location"].endswith("refused")
        )
        assert (await browser.get("/login/with/nobody")).status_code == 404


async def test_a_closed_account_stays_out(served: Served) -> None:
    async with served.stranger(headers=BROWSER) as browser:
        await sign_in(browser, "w1")
        await served.services.accounts.set_enabled(SYSTEM, "wang", False)
        assert (await sign_in(browser, "w1")).headers["location"] == "/login?refused"


async def test_a_logout_token_that_the_provider_did_not_sign_ends_nothing(served: Served) -> None:
    async with served.stranger(headers=BROWSER) as browser:
        await sign_in(browser, "w1")
        for token in ("", "x", "eyJhbGciOiJub25lIn0.e30."):
            answer = await browser.post(
                "/login/with/house/signed-out", data={"logout_token": token}, headers={"sec-fetch-site": "none"}
            )
            assert answer.status_code == 400
        assert (await browser.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize("issuer", ["", "http://provider.example", "ftp://localhost", "https://"])
def test_a_provider_is_asked_over_tls(issuer: str) -> None:
    with pytest.raises(BadProvider):
        OidcProvider("house", OidcSettings(issuer=issuer, client_id="filmroom"), SystemClock())


def _provider_key(issuer: str) -> RSAKey:
    """The private key of the provider that runs in this process."""
    served = httpx2.get(f"{issuer}/jwks").json()["keys"][0]["n"]
    found = [each.jwk.as_dict(is_private=True) for each in gc.get_objects() if type(each).__name__ == "Storage"]
    return RSAKey.import_key(next(each for each in found if each["n"] == served))


def _logout_token(issuer: str, **claims: object) -> str:
    """As the provider sends it from server to server (Back-Channel Logout 1.0, 2.4)."""
    now = int(time.time())
    said = {
        "iss": issuer,
        "aud": "filmroom",
        "iat": now,
        "exp": now + 120,
        "jti": "1",
        "sub": "w1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        **claims,
    }
    return jwt.encode({"alg": "RS256", "typ": "logout+jwt"}, said, _provider_key(issuer), algorithms=["RS256"])


@pytest.mark.parametrize(
    "wrong", [{"aud": "another"}, {"iss": "https://elsewhere.example"}, {"events": {}}, {"nonce": "x"}, {"sub": ""}]
)
async def test_a_signed_token_that_is_no_word_of_signing_out_ends_nothing(
    served: Served, issuer: str, wrong: dict[str, object]
) -> None:
    async with served.stranger(headers=BROWSER) as browser, served.stranger() as provider:
        await sign_in(browser, "w1")
        token = _logout_token(issuer, **wrong)
        answer = await provider.post("/login/with/house/signed-out", data={"logout_token": token})
        assert answer.status_code == 400
        assert (await browser.get("/api/v1/me")).status_code == 200


async def test_who_signs_out_at_the_provider_is_signed_out_here(served: Served, issuer: str) -> None:
    async with served.stranger(headers=BROWSER) as browser, served.stranger() as provider:
        await sign_in(browser, "w1")
        answer = await provider.post("/login/with/house/signed-out", data={"logout_token": _logout_token(issuer)})
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        page = await browser.get("/api/v1/me", headers={"accept": "application/json", "sec-fetch-mode": "cors"})
        assert page.status_code == 401
