"""Accounts, sessions and tokens in the database."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filmroom.base.clock import FixedClock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db.pool import Database
from filmroom.security.lockout import BY_ADDRESS, BY_LAST_ADMINISTRATOR, BY_NAME
from filmroom.security.model import AccountLocked, LastAdministrator, NameTaken, Owes, SignInRefused
from filmroom.security.passwords import PasswordRefused, Passwords
from filmroom.security.people import People
from filmroom.security.policy import Action
from filmroom.security.ports import AccountEvent
from filmroom.security.principals import SYSTEM, person
from filmroom.settings import PeopleSettings, Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
NOBODY = person(99, "nobody", frozenset())


class Kept:
    """An audit that can be asked."""

    def __init__(self) -> None:
        self.events: list[AccountEvent] = []

    async def record(self, event: AccountEvent) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def audit() -> Kept:
    return Kept()


@pytest.fixture
def people(database: Database, clock: FixedClock, audit: Kept, tmp_path: Path) -> People:
    return made(database, clock, tmp_path, audit)


def made(database: Database, clock: FixedClock, folder: Path, audit: Kept | None = None, **more: object) -> People:
    settings = Settings(data=folder, people=dataclasses.replace(PeopleSettings(), **more))
    return People.of(database, clock, settings, passwords=Passwords(memory_kib=64, passes=1), audit=audit)


async def wrong(people: People, name: str, times: int, peer: str = "") -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused, match="wrong name or password"):
            await people.sign_in.by_password(name, "wrong", peer)


@pytest.mark.capability("6.3.1")
async def test_the_first_administrator_is_made_once_whoever_starts(people: People) -> None:
    made = await asyncio.gather(*(people.accounts.ensure_first_administrator() for _ in range(4)))
    [one_time] = [each for each in made if each is not None]
    account = await people.sign_in.by_password("admin", one_time)
    assert account.must_change
    assert account.roles == {"administrator"}
    assert await people.accounts.ensure_first_administrator("another password") is None


@pytest.mark.capability("6.3.1")
async def test_a_given_first_password_need_not_be_changed(people: People) -> None:
    assert await people.accounts.ensure_first_administrator(PASSWORD) is None
    assert not (await people.sign_in.by_password("ADMIN", PASSWORD)).must_change


async def test_adding_people(people: People, audit: Kept) -> None:
    accounts = people.accounts
    account, one_time = await accounts.add(SYSTEM, "rita", roles=["radiologist"], password=PASSWORD)
    assert (account.name, account.roles, one_time) == ("rita", {"radiologist"}, None)
    with pytest.raises(NameTaken, match="an account called RITA already"):
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
    assert audit.kinds == ["account-changed"]


@pytest.mark.capability("6.3.1")
async def test_each_wrong_password_after_the_fifth_locks_twice_as_long(people: People, clock: FixedClock) -> None:
    await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    await wrong(people, "rita", BY_NAME.free)
    for times, wait_s in enumerate((60, 120, 240)):
        with pytest.raises(AccountLocked) as locked:
            await people.sign_in.by_password("rita", PASSWORD)
        assert locked.value.until == clock.at + timedelta(seconds=wait_s)
        clock.at = locked.value.until
        if times < 2:
            await wrong(people, "rita", 1)
    assert (await people.sign_in.by_password("rita", PASSWORD)).name == "rita"
    await wrong(people, "rita", BY_NAME.free - 1)


@pytest.mark.capability("6.3.1")
async def test_a_name_that_nobody_has_locks_like_any_other(people: People) -> None:
    await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    for name in ("rita", "nobody"):
        await wrong(people, name, BY_NAME.free)
        with pytest.raises(AccountLocked, match="too many wrong attempts"):
            await people.sign_in.by_password(name.upper(), PASSWORD)


@pytest.mark.capability("6.3.1")
async def test_a_hundred_guesses_at_once_are_not_more_than_five(people: People) -> None:
    await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    guesses = [people.sign_in.by_password("rita", f"guess {n}") for n in range(100)]
    errors = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(type(each) is SignInRefused for each in errors) == BY_NAME.free
    assert sum(type(each) is AccountLocked for each in errors) == 100 - BY_NAME.free


@pytest.mark.capability("6.3.1")
async def test_an_address_that_tries_many_names_is_locked(people: People, clock: FixedClock) -> None:
    await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    for n in range(BY_ADDRESS.free):
        await wrong(people, f"name{n}", 1, "192.0.2.7")
    with pytest.raises(AccountLocked):
        await people.sign_in.by_password("rita", PASSWORD, "::ffff:192.0.2.7")
    assert (await people.sign_in.by_password("rita", PASSWORD, "192.0.2.8")).name == "rita"
    clock.at += timedelta(hours=1)
    assert (await people.sign_in.by_password("rita", PASSWORD, "192.0.2.7")).name == "rita"


@pytest.mark.capability("6.3.1")
async def test_the_last_administrator_cannot_be_disabled_demoted_or_locked_out(
    people: People, clock: FixedClock
) -> None:
    accounts = people.accounts
    await accounts.ensure_first_administrator(PASSWORD)
    with pytest.raises(LastAdministrator):
        await accounts.set_enabled(SYSTEM, "admin", False)
    with pytest.raises(LastAdministrator):
        await accounts.set_roles(SYSTEM, "admin", ["viewer"])
    for _ in range(20):
        with pytest.raises(SignInRefused):
            await people.sign_in.by_password("admin", "wrong")
        clock.at += timedelta(seconds=BY_LAST_ADMINISTRATOR.longest_s)
    assert (await people.sign_in.by_password("admin", PASSWORD)).last_administrator
    await accounts.add(SYSTEM, "anna", roles=["administrator"], password=PASSWORD)
    ended = [accounts.set_enabled(SYSTEM, "admin", False), accounts.set_roles(SYSTEM, "anna", [])]
    results = await asyncio.gather(*ended, return_exceptions=True)
    assert sum(isinstance(each, LastAdministrator) for each in results) == 1


async def test_unknown_and_disabled_names_are_refused_alike(people: People) -> None:
    await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    await people.accounts.set_enabled(SYSTEM, "rita", False)
    for name in ("rita", "nobody", "", "\0", "x" * 5000):
        with pytest.raises(SignInRefused, match="wrong name or password"):
            await people.sign_in.by_password(name, PASSWORD)


@pytest.mark.capability("6.3.1", "7.3.3")
async def test_a_reset_password_works_once_and_for_a_while(people: People, clock: FixedClock, audit: Kept) -> None:
    account, _ = await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    await wrong(people, "rita", BY_NAME.free)
    cookie = await people.sessions.open(account, "")
    with pytest.raises(Forbidden):
        await people.accounts.reset_password(account.principal(), "rita")
    one_time = await people.accounts.reset_password(SYSTEM, "rita")
    assert await people.sessions.find(cookie) is None
    clock.at += timedelta(hours=71)
    owed = await people.sign_in.by_password("rita", one_time)
    assert owed.must_change
    clock.at += timedelta(hours=1)
    with pytest.raises(SignInRefused, match="wrong name"):
        await people.sign_in.by_password("rita", one_time)
    fresh = await people.accounts.reset_password(SYSTEM, "rita")
    await people.accounts.choose_password((await people.sign_in.by_password("rita", fresh)).principal(), "new and long")
    assert not (await people.sign_in.by_password("rita", "new and long")).must_change
    assert audit.kinds.count("password-changed") == 3


@pytest.mark.capability("7.3.3")
async def test_earlier_passwords_are_not_taken_again(database: Database, clock: FixedClock, tmp_path: Path) -> None:
    people = made(database, clock, tmp_path, password_history=2)
    account, _ = await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    with pytest.raises(PasswordRefused, match="the old one"):
        await people.accounts.replace_password(account, PASSWORD)
    for n in ("first of them", "second of them"):
        clock.at += timedelta(days=1)
        account = await people.accounts.replace_password(account, n)
    with pytest.raises(PasswordRefused, match="used before"):
        await people.accounts.replace_password(account, PASSWORD)
    clock.at += timedelta(days=1)
    account = await people.accounts.replace_password(account, "third of them")
    await people.accounts.replace_password(account, PASSWORD)


@pytest.mark.capability("7.3.3")
async def test_an_old_password_must_be_changed(database: Database, clock: FixedClock, tmp_path: Path) -> None:
    people = made(database, clock, tmp_path, password_days=90)
    await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    assert not (await people.sign_in.by_password("rita", PASSWORD)).must_change
    clock.at += timedelta(days=90)
    account = await people.sign_in.by_password("rita", PASSWORD)
    found = await people.sessions.find(await people.sessions.open(account, ""))
    assert found is not None
    assert found.owes is Owes.PASSWORD


@pytest.mark.capability("6.3.1")
async def test_a_session_ends_with_time_password_and_account(people: People, clock: FixedClock) -> None:
    accounts, sessions = people.accounts, people.sessions
    account, _ = await accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    cookie = await sessions.open(account, "127.0.0.1")
    found = await sessions.find(cookie)
    assert found is not None
    assert found.principal == account.principal()
    assert await sessions.find("forged") is None
    await accounts.replace_password(account, "a new and long one")
    assert await sessions.find(cookie) is None
    cookie = await sessions.open(account, "")
    for _ in range(12):
        assert await sessions.find(cookie) is not None
        clock.at += timedelta(hours=1)
    assert await sessions.find(cookie) is None
    cookie = await sessions.open(account, "")
    await accounts.set_enabled(SYSTEM, "rita", False)
    assert await sessions.find(cookie) is None


@pytest.mark.capability("6.3.1", "7.3.3")
async def test_a_session_that_stands_idle_ends(people: People, clock: FixedClock) -> None:
    account, _ = await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    cookie = await people.sessions.open(account, "")
    for _ in range(3):
        clock.at += timedelta(minutes=119)
        assert await people.sessions.find(cookie) is not None
    clock.at += timedelta(minutes=121)
    assert await people.sessions.find(cookie) is None


@pytest.mark.capability("6.3.1")
async def test_sessions_are_listed_and_ended(people: People) -> None:
    rita, _ = await people.accounts.add(SYSTEM, "rita", roles=["viewer"], password=PASSWORD)
    nina, _ = await people.accounts.add(SYSTEM, "nina", roles=["viewer"], password=PASSWORD)
    cookies = [await people.sessions.open(rita, "192.0.2.1", agent="a browser") for _ in range(3)]
    await people.sessions.open(nina, "")
    listed = await people.sessions.list(rita.principal())
    assert {(each.account, each.peer, each.agent) for each in listed} == {("rita", "192.0.2.1", "a browser")}
    assert len(await people.sessions.list(SYSTEM, everybody=True)) == 4
    with pytest.raises(Forbidden):
        await people.sessions.list(rita.principal(), everybody=True)
    with pytest.raises(NotFound):
        await people.sessions.end(nina.principal(), listed[0].pk)
    kept = await people.sessions.find(cookies[0])
    assert kept is not None
    assert await people.sessions.end_all(rita.principal(), keep=kept.session) == 2
    assert [bool(await people.sessions.find(each)) for each in cookies] == [True, False, False]
    await people.sessions.end(SYSTEM, kept.session)
    assert await people.sessions.find(cookies[0]) is None


@pytest.mark.capability("6.3.1")
async def test_a_token_ends_when_it_expires_or_is_revoked(
    database: Database, people: People, clock: FixedClock
) -> None:
    tokens = people.tokens
    account, _ = await people.accounts.add(SYSTEM, "robot", roles=["integration"], password=PASSWORD)
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


@pytest.mark.capability("6.3.1")
async def test_a_token_may_only_what_it_was_issued_for(people: People) -> None:
    await people.accounts.add(SYSTEM, "robot", roles=["integration"], password=PASSWORD)
    text = await people.tokens.issue(SYSTEM, "robot", actions=[Action.VIEW])
    found = await people.tokens.find(text, "192.0.2.9")
    assert found is not None
    assert found.principal.only == {Action.VIEW}
    with pytest.raises(Forbidden, match="may more than itself"):
        await people.tokens.issue(found.principal, "robot")
    [row] = await people.tokens.list(SYSTEM)
    assert (row.actions, row.last_used, row.last_peer) == ({"view"}, NOW, "192.0.2.9")
