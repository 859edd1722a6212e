"""System, security and audit as three people's duties; two people for what is not one's; the last keeper stays."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fixtures.indexed import index_some
from tests.fixtures.scoped import CASES, datasets

from filmroom.archive.delete import Deleting
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db.pool import Database
from filmroom.security.audit import AuditEvent
from filmroom.security.duties import DutiesClash, clash
from filmroom.security.model import LastAdministrator, SignInRefused
from filmroom.security.passwords import Passwords
from filmroom.security.people import People
from filmroom.security.policy import may
from filmroom.security.ports import Vouched
from filmroom.security.principals import SYSTEM, Kind, Principal
from filmroom.security.roles import READY, SEPARATED, Action, Grant, Role
from filmroom.security.roles_book import RoleBook
from filmroom.security.scopes import WHOLE
from filmroom.security.second import SecondPerson, Waits
from filmroom.settings import SecuritySettings, Settings

pytestmark = pytest.mark.capability("7.3.3")

PASSWORD = "correct horse battery staple"


class House:
    """The parts, with duties separated and two people for what is said."""

    def __init__(self, database: Database, folder: Path, *, separate: bool = True, second: str = "") -> None:
        clock = SystemClock()
        self.told: list[AuditEvent] = []
        self.second = SecondPerson(database, clock, self._record, second)
        self.book = RoleBook(database, clock, separate_duties=separate, second=self.second, record=self._record)
        settings = Settings(data=folder, security=SecuritySettings(separate_duties=separate))
        self.people = People.of(
            database,
            clock,
            settings,
            passwords=Passwords(memory_kib=64, passes=1),
            dress=self.book.dress,
            second=self.second,
        )

    async def _record(self, _tx: object, event: AuditEvent) -> None:
        self.told.append(event)

    async def person(self, name: str, *roles: str) -> Principal:
        account, _ = await self.people.accounts.add(SYSTEM, name, roles=roles, password=PASSWORD)
        return await self.book.dress(account.principal())


@pytest.mark.parametrize("role", sorted(READY))
async def test_a_ready_role_alone_clashes_with_nothing(role: str):
    actions = READY[role].actions - SEPARATED if role == "administrator" else READY[role].actions
    assert clash(actions) == ""


async def test_none_of_the_three_can_make_himself_one_of_the_others(database: Database, tmp_path: Path):
    house = House(database, tmp_path)
    await house.people.accounts.ensure_first_administrator(PASSWORD)
    system = await house.person("sam", "administrator")
    officer, auditor = await house.person("olga", "security-officer"), await house.person("arno", "auditor")
    assert [may(system, each) for each in (Action.ADMINISTER, Action.VIEW, Action.SECURITY, Action.AUDIT)] == [
        True, False, False, False,
    ]  # fmt: skip
    accounts, book = house.people.accounts, house.book
    for who in (system, auditor):
        with pytest.raises(Forbidden):
            await book.give(who, who.id, "radiologist")
        with pytest.raises(Forbidden):
            await accounts.set_roles(who, who.name, ["radiologist"])
        with pytest.raises(Forbidden):
            await accounts.reset_password(who, "olga")
    for role in ("radiologist", "auditor", "administrator"):
        with pytest.raises(Forbidden):
            await book.give(officer, officer.id, role)
        with pytest.raises(Forbidden):
            await accounts.set_roles(officer, "olga", [role])
    for name, role in (("sam", "viewer"), ("sam", "auditor"), ("arno", "security-officer"), ("arno", "radiologist")):
        pk = (await accounts.get(SYSTEM, name)).pk
        with pytest.raises(DutiesClash):
            await book.give(officer, f"person:{pk}", role)
        with pytest.raises(DutiesClash):
            await accounts.set_roles(officer, name, ["administrator" if name == "sam" else "auditor", role])
    with pytest.raises(DutiesClash):
        await accounts.add(officer, "both", roles=["security-officer", "auditor"], password=PASSWORD)


async def test_a_role_of_ones_own_is_no_way_around(database: Database, tmp_path: Path):
    house = House(database, tmp_path)
    officer, auditor = await house.person("olga", "security-officer"), await house.person("arno", "auditor")
    looks = Role(actions=frozenset({Action.PRINT}), scopes=(WHOLE,))
    with pytest.raises(DutiesClash):
        await house.book.put(officer, "mighty", replace(looks, actions=frozenset({Action.AUDIT, Action.SECURITY})))
    await house.book.put(officer, "printer", looks)
    await house.book.give(officer, auditor.id, "printer")
    with pytest.raises(DutiesClash):
        await house.book.put(officer, "printer", replace(looks, actions=frozenset({Action.VIEW})))


async def test_a_token_or_a_providers_groups_are_no_way_around(database: Database, tmp_path: Path):
    house = House(database, tmp_path)
    officer = await house.person("olga", "security-officer")
    await house.person("rita", "radiologist")
    await house.person("gateway", "integration")
    with pytest.raises(Forbidden):
        await house.people.tokens.issue(officer, "rita")
    assert await house.people.tokens.issue(officer, "gateway")
    vouched = Vouched(provider="corp", subject="1", name="max")
    with pytest.raises(SignInRefused):
        await house.people.vouching.admit(vouched, frozenset({"auditor", "radiologist"}))


async def test_the_last_of_each_duty_stays(database: Database, tmp_path: Path):
    house = House(database, tmp_path)
    accounts = house.people.accounts
    await accounts.ensure_first_administrator(PASSWORD)
    await house.person("olga", "security-officer")
    for name, role in (("admin", "administrator"), ("olga", "security-officer")):
        assert (await accounts.get(SYSTEM, name)).last_administrator, role
        with pytest.raises(LastAdministrator):
            await accounts.set_enabled(SYSTEM, name, False)
        with pytest.raises(LastAdministrator):
            await accounts.set_roles(SYSTEM, name, ["viewer"])
        await accounts.reset_password(SYSTEM, name)
        assert (await accounts.get(SYSTEM, name)).one_time_until is None, "nobody could give another"
    await house.person("otto", "security-officer")
    await accounts.set_enabled(SYSTEM, "olga", False)
    assert (await accounts.get(SYSTEM, "otto")).last_administrator


async def test_rights_change_when_a_second_person_agrees(database: Database, tmp_path: Path):
    house = House(database, tmp_path, separate=False, second="rights")
    ada, bert = await house.person("ada", "administrator"), await house.person("bert", "administrator")
    rita = await house.person("rita", "viewer")
    with pytest.raises(Waits) as waits:
        await house.book.give(ada, rita.id, "radiologist")
    assert not await house.book.grants(SYSTEM, rita.id)
    (asked,) = await house.second.waiting(bert)
    assert (asked.pk, asked.asked_name, asked.body["role"]) == (waits.value.number, "ada", "radiologist")
    with pytest.raises(Forbidden):
        await house.second.agree(ada, asked.pk)
    with pytest.raises(NotFound):
        await house.second.agree(rita, asked.pk)
    await house.second.agree(bert, asked.pk)
    assert [row["role"] for row in await house.book.grants(SYSTEM, rita.id)] == ["radiologist"]
    with pytest.raises(NotFound):
        await house.second.agree(bert, asked.pk)
    with pytest.raises(Waits) as again:
        await house.people.accounts.set_roles(ada, "rita", ["administrator"])
    await house.second.refuse(ada, again.value.number)
    assert (await house.people.accounts.get(SYSTEM, "rita")).roles == {"viewer"}
    assert [event.what for event in house.told if "number" in event.detail] == [
        "rights asked for", "rights agreed", "rights asked for", "rights refused",
    ]  # fmt: skip


@pytest.mark.capability("2.3.2")
async def test_a_study_is_deleted_when_a_second_person_agrees(database: Database, tmp_path: Path):
    house = House(database, tmp_path, separate=False, second="delete")
    deleting = Deleting(database, None, SystemClock(), second=house.second)  # type: ignore[arg-type]
    await index_some(database, datasets(CASES[0]))
    ada, bert = await house.person("ada", "administrator"), await house.person("bert", "administrator")
    with pytest.raises(Waits) as waits:
        await deleting.delete(ada, CASES[0].uid, reason="asked by the patient")
    assert await _state(database) == "visible"
    await house.second.agree(bert, waits.value.number)
    assert await _state(database) != "visible"
    (past,) = await deleting.past(SYSTEM)
    assert past.why == "asked by the patient (asked by ada, agreed by bert)"
    with pytest.raises(Waits) as gone:
        await deleting.delete(ada, "1.2.3.4")
    with pytest.raises(NotFound):
        await house.second.agree(bert, gone.value.number)
    assert [each.state for each in await house.second.waiting(bert)] == ["waiting", "done"]


async def _state(database: Database) -> str:
    async with database.connection() as connection:
        state: str = await connection.fetchval("SELECT state FROM study WHERE study_uid = $1", CASES[0].uid)
    return state


def test_what_a_second_person_agrees_to_has_a_name():
    with pytest.raises(ValueError, match="nonsense"):
        SecondPerson(None, SystemClock(), None, "delete, nonsense")  # type: ignore[arg-type]


def test_a_grant_of_nothing_is_nothing():
    assert not may(Principal("person:1", "x", Kind.PERSON, grants=(Grant("none", frozenset()),)), Action.VIEW)
