"""Accounts, sessions and tokens in the database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from filmroom.base.clock import FixedClock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db.pool import Database
from filmroom.security.accounts import LOCKED_FOR, WRONG_PASSWORDS, Accounts
from filmroom.security.model import AccountLocked, NameTaken, SignInRefused
from filmroom.security.passwords import PasswordRefused, Passwords
from filmroom.security.principals import SYSTEM, person
from filmroom.security.sessions import Sessions
from filmroom.security.tokens import Tokens

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
NOBODY = person(99, "nobody", frozenset())


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def accounts(database: Database, clock: FixedClock) -> Accounts:
    return Accounts(database, clock, Passwords(memory_kib=64, passes=1))


@pytest.mark.capability("6.3.1")
async def test_the_first_administrator_is_made_once_whoever_starts(accounts: Accounts) -> None:
    made = await asyncio.gather(*(accounts.ensure_first_administrator() for _ in range(4)))
    [one_time] = [each for each in made if each is not None]
    account = await accounts.sign_in("admin", one_time)
    assert account.must_change
    assert account.roles == {"administrator"}
    assert await accounts.ensure_first_administrator("another password") is None


@pytest.mark.capability("6.3.1")
async def test_a_given_first_password_need_not_be_changed(accounts: Accounts) -> None:
    assert await accounts.ensure_first_administrator(PASSWORD) is None
    assert not (await accounts.sign_in("ADMIN", PASSWORD)).must_change


async def test_adding_people(accounts: Accounts) -> None:
    account, one_time = await accounts.add(SYSTEM, "rita", roles=["radiologist"], password=PASSWORD)
    assert (account.name, account.roles, one_time) == ("rita", {"radiologist"}, None)
    with pytest.raises(NameTaken):
        await accounts.add(SYSTEM, "RITA", roles=[], password=PASSWORD)
    with pytest.raises(ValueError, match="no role is called wizard"):
        await accounts.add(SYSTEM, "other", roles=["wizard"])
    with pytest.raises(ValueError, match="a name has"):
        await accounts.add(SYSTEM, "a b", roles=[])
    with pytest.raises(PasswordRefused):
        await accounts.add(SYSTEM, "other", roles=[], password="short")
    with pytest.raises(Forbidden):
        await accounts.add(account.principal(), "other", roles=[])
    assert [each.name for each in await accounts.list(SYSTEM)] == ["rita"]


@pytest.mark.capability("6.3.1")
async def test_a_lock_runs_out_and_counting_starts_anew(accounts: Accounts, clock: FixedClock) -> None:
    await accounts.ensure_first_administrator(PASSWORD)
    for _ in range(WRONG_PASSWORDS):
        with pytest.raises(SignInRefused):
            await accounts.sign_in("admin", "wrong")
    with pytest.raises(AccountLocked) as locked:
        await accounts.sign_in("admin", PASSWORD)
    assert locked.value.until == NOW + LOCKED_FOR
    clock.at = NOW + LOCKED_FOR
    with pytest.raises(SignInRefused, match="wrong name or password"):
        await accounts.sign_in("admin", "wrong")
    assert (await accounts.sign_in("admin", PASSWORD)).name == "admin"


async def test_unknown_and_disabled_names_are_refused_alike(accounts: Accounts) -> None:
    await accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    await accounts.set_enabled(SYSTEM, "rita", False)
    for name in ("rita", "nobody", "", "\0", "x" * 5000):
        with pytest.raises(SignInRefused, match="wrong name or password"):
            await accounts.sign_in(name, PASSWORD)


@pytest.mark.capability("6.3.1")
async def test_a_session_ends_with_time_password_and_account(
    database: Database, accounts: Accounts, clock: FixedClock
) -> None:
    sessions = Sessions(database, clock, lasts=timedelta(hours=12))
    account, _ = await accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    cookie = await sessions.open(account, "127.0.0.1")
    found = await sessions.find(cookie)
    assert found is not None
    assert found.principal == account.principal()
    assert await sessions.find("forged") is None
    await accounts.change_password("rita", PASSWORD, "a new and long one")
    clock.at += timedelta(seconds=6)
    assert await sessions.find(cookie) is None
    cookie = await sessions.open(account, "")
    clock.at += timedelta(hours=12)
    assert await sessions.find(cookie) is None
    cookie = await sessions.open(account, "")
    await accounts.set_enabled(SYSTEM, "rita", False)
    assert await Sessions(database, clock, lasts=timedelta(hours=1)).find(cookie) is None


@pytest.mark.capability("6.3.1")
async def test_a_token_ends_when_it_expires_or_is_revoked(
    database: Database, accounts: Accounts, clock: FixedClock
) -> None:
    tokens = Tokens(database, clock)
    account, _ = await accounts.add(SYSTEM, "robot", roles=["integration"], password=PASSWORD)
    text = await tokens.issue(SYSTEM, "robot", label="nightly", lasts=timedelta(days=1))
    assert text.startswith("fr_")
    found = await tokens.find(text)
    assert found is not None
    assert found.principal == account.principal()
    clock.at += timedelta(days=1)
    assert await tokens.find(text) is None
    lasting = await tokens.issue(account.principal(), "robot")
    assert await tokens.find(lasting) is not None
    with pytest.raises(Forbidden):
        await tokens.issue(NOBODY, "robot")
    with pytest.raises(NotFound):
        await tokens.issue(SYSTEM, "nobody")
    rows = await tokens.list(account.principal())
    assert [row.label for row in rows] == ["nightly", ""]
    assert await tokens.list(NOBODY) == []
    with pytest.raises(NotFound):
        await tokens.revoke(NOBODY, rows[1].pk)
    await tokens.revoke(account.principal(), rows[1].pk)
    assert await tokens.find(lasting) is None
    async with database.connection() as connection:
        assert not await connection.fetchval("SELECT count(*) FROM token WHERE digest = $1", lasting.encode())
