"""People through the API."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.fixtures.served import PASSWORD, Served

from filmroom.security.principals import SYSTEM

pytestmark = pytest.mark.capability("6.3.1")
BROWSER = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def rita(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """A radiologist in her browser."""
    await served.services.accounts.add(SYSTEM, "rita", roles=["radiologist"], password=PASSWORD)
    async with served.stranger(headers=BROWSER) as client:
        await client.post("/login", data={"name": "rita", "password": PASSWORD})
        yield client


async def test_an_administrator_adds_changes_and_closes_accounts(served: Served) -> None:
    api = served.client
    made = await api.post("/api/v1/accounts", json={"name": "wang", "roles": ["viewer"], "display_name": "王小明"})
    assert made.status_code == 201
    one_time = made.json()["one_time_password"]
    found = (await api.get("/api/v1/accounts/wang")).json()
    assert (found["display_name"], found["must_change"], found["enabled"]) == ("王小明", True, True)
    assert "password_hash" not in found
    assert (await api.post("/api/v1/accounts", json={"name": "Wang", "roles": []})).status_code == 409
    for wrong, pointer in (({"name": "a b", "roles": []}, "/name"), ({"name": "x", "roles": ["wizard"]}, "/roles")):
        answer = await api.post("/api/v1/accounts", json=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    weak = await api.post("/api/v1/accounts", json={"name": "x", "roles": [], "password": "Password123!"})
    assert weak.status_code == 422
    changed = await api.patch("/api/v1/accounts/wang", json={"roles": ["technologist"], "enabled": False})
    assert (changed.json()["roles"], changed.json()["enabled"]) == (["technologist"], False)
    again = (await api.post("/api/v1/accounts/wang/password-reset")).json()["one_time_password"]
    assert again != one_time
    assert (await api.patch("/api/v1/accounts/nobody", json={"enabled": False})).status_code == 404
    for change in ({"enabled": False}, {"roles": []}):
        assert (await api.patch("/api/v1/accounts/admin", json=change)).status_code == 409


async def test_a_locked_account_is_shown_and_unlocked(served: Served) -> None:
    await served.services.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    async with served.stranger(headers=BROWSER) as client:
        for _ in range(5):
            await client.post("/login", data={"name": "rita", "password": "wrong"})
        listed = (await served.client.get("/api/v1/accounts")).json()["accounts"]
        assert [bool(each["locked_until"]) for each in listed] == [False, True]
        assert (await served.client.post("/api/v1/accounts/rita/unlock")).status_code == 204
        assert (await client.post("/login", data={"name": "rita", "password": PASSWORD})).status_code == 303


async def test_nobody_else_administers_accounts(served: Served, rita: httpx2.AsyncClient) -> None:
    for method, path in (
        ("GET", "/api/v1/accounts"),
        ("GET", "/api/v1/accounts/admin"),
        ("PATCH", "/api/v1/accounts/rita"),
        ("POST", "/api/v1/accounts"),
        ("POST", "/api/v1/accounts/admin/password-reset"),
        ("POST", "/api/v1/accounts/rita/unlock"),
        ("DELETE", "/api/v1/accounts/admin/factors"),
        ("DELETE", "/api/v1/accounts/admin/sessions"),
        ("GET", "/api/v1/sessions?everybody=true"),
    ):
        assert (await rita.request(method, path, json={})).status_code == 403, path


async def test_one_s_own_sessions(served: Served, rita: httpx2.AsyncClient) -> None:
    async with served.stranger(headers={**BROWSER, "user-agent": "another"}) as other:
        await other.post("/login", data={"name": "rita", "password": PASSWORD})
        listed = (await rita.get("/api/v1/sessions")).json()["sessions"]
        assert sorted(each["present"] for each in listed) == [False, True]
        theirs = next(each for each in listed if not each["present"])
        assert (theirs["agent"], theirs["peer"], theirs["method"]) == ("another", "127.0.0.1", "password")
        assert (await rita.delete(f"/api/v1/sessions/{theirs['id']}")).status_code == 204
        assert (await other.get("/api/v1/me")).status_code == 401
        await other.post("/login", data={"name": "rita", "password": PASSWORD})
        assert (await rita.delete("/api/v1/sessions")).json() == {"ended": 1}
        assert (await rita.get("/api/v1/me")).status_code == 200
    assert (await served.client.delete("/api/v1/accounts/rita/sessions")).json() == {"ended": 1}
    assert (await rita.get("/api/v1/me")).status_code == 401


async def test_one_s_own_password(rita: httpx2.AsyncClient) -> None:
    async def change(old: str, new: str) -> int:
        return (await rita.put("/api/v1/me/password", json={"old": old, "new": new})).status_code

    assert await change("wrong", "a long new sentence") == 403
    assert await change(PASSWORD, "short") == 422
    assert await change(PASSWORD, PASSWORD) == 422
    assert await change(PASSWORD, "a long new sentence") == 204
    assert (await rita.get("/api/v1/me")).status_code == 200


async def test_a_token_with_actions_may_no_more(served: Served, rita: httpx2.AsyncClient) -> None:
    made = await rita.post("/api/v1/tokens", json={"label": "reader", "actions": ["view"]})
    assert made.status_code == 201
    async with served.stranger(headers={"authorization": f"Bearer {made.json()['token']}"}) as program:
        assert (await program.get("/dicom-web/studies")).status_code in {200, 204}
        stored = await program.post("/dicom-web/studies", content=b"x", headers={"content-type": "application/dicom"})
        assert stored.status_code == 403
        assert (await program.get("/api/v1/me")).json()["may"] == ["view"]
        assert (await program.post("/api/v1/tokens", json={})).status_code == 403
        change = {"old": PASSWORD, "new": "a long new sentence"}
        assert (await program.put("/api/v1/me/password", json=change)).status_code == 403
    [row] = [each for each in (await rita.get("/api/v1/tokens")).json()["tokens"] if each["label"] == "reader"]
    assert row["actions"] == ["view"]
    assert row["last_used"] is not None
    assert (await rita.post("/api/v1/tokens", json={"actions": ["fly"]})).status_code == 422


async def test_a_second_factor_is_taken_away_with_the_password_again(served: Served, rita: httpx2.AsyncClient) -> None:
    assert (await rita.get("/api/v1/me/factors")).json() == {
        "authenticator": False,
        "recovery_codes_left": 0,
        "passkeys": [],
    }
    away = "/api/v1/me/factors/authenticator/removal"
    assert (await rita.post(away, json={"password": "wrong"})).status_code == 403
    assert (await rita.post(away, json={"password": PASSWORD})).status_code == 204
    assert (await rita.post("/api/v1/me/factors/passkeys/9/removal", json={"password": PASSWORD})).status_code == 404
