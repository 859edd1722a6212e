"""People of a directory, kept by Debian's slapd."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fixtures.directory import BASE, SERVICE_PASSWORD, Slapd, slapd

from filmroom.base.clock import SystemClock
from filmroom.base.errors import Unavailable
from filmroom.db.pool import Database
from filmroom.net.identity.ldap import LdapDirectory
from filmroom.security.model import SignInRefused
from filmroom.security.passwords import Passwords
from filmroom.security.people import People
from filmroom.security.principals import SYSTEM
from filmroom.security.signin import DirectoryRules
from filmroom.security.vouching import mapping
from filmroom.settings import LdapSettings, Settings

pytestmark = pytest.mark.capability("6.3.1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    with slapd(tmp_path / "slapd") as running:
        yield running


def settings_of(server: Slapd, **more: object) -> LdapSettings:
    made = LdapSettings(
        url=f"ldaps://localhost:{server.tls_port}",
        ca=str(server.ca),
        bind_dn=f"cn=service,{BASE}",
        bind_password=SERVICE_PASSWORD,
        user_base=f"ou=people,{BASE}",
        group_base=f"ou=groups,{BASE}",
        timeout_s=2.0,
    )
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def people_of(database: Database, folder: Path, directory: LdapDirectory, roles: str, default: str = "") -> People:
    rules = DirectoryRules(directory=directory, roles=dict(mapping(roles)), default_role=default)
    passwords = Passwords(memory_kib=64, passes=1)
    return People.of(database, SystemClock(), Settings(data=folder), passwords=passwords, directory=rules)


async def test_a_person_proves_their_password_and_has_their_groups(server: Slapd) -> None:
    for url, start_tls in ((f"ldaps://localhost:{server.tls_port}", False), (f"ldap://localhost:{server.port}", True)):
        directory = LdapDirectory(settings_of(server, url=url, start_tls=start_tls))
        person = await directory.check("wang", "wang reads here")
        assert person is not None
        assert (person.name, person.display_name) == ("wang", "王小明")
        assert person.groups == {f"cn=radiologists,ou=groups,{BASE}"}
        assert len(person.subject) == 36
        star = await directory.check("star*(x)", "star reads here")
        assert star is not None
        assert star.groups == person.groups


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(0, {"radiologists"}), (1, {"radiologists", "imaging"}), (9, {"radiologists", "imaging", "hospital"})],
)
async def test_groups_of_groups_count_as_deep_as_was_said(server: Slapd, depth: int, expected: set[str]) -> None:
    person = await LdapDirectory(settings_of(server, group_depth=depth)).check("wang", "wang reads here")
    assert person is not None
    assert person.groups == {f"cn={name},ou=groups,{BASE}" for name in expected}


async def test_a_filter_leaves_out_whom_the_directory_marks(server: Slapd) -> None:
    """As userAccountControl does in Active Directory: with a condition of its own on the person."""
    marked = LdapDirectory(settings_of(server, user_filter="(&(uid={name})(!(sn=王)))"))
    assert await marked.check("wang", "wang reads here") is None
    assert await marked.check("star*(x)", "star reads here") is not None


async def test_nothing_else_gets_in(server: Slapd) -> None:
    directory = LdapDirectory(settings_of(server))
    for name, password in [
        ("wang", ""),
        ("wang", "\0"),
        ("wang", "wrong"),
        ("*", "wang reads here"),
        ("wang)(uid=*", "wang reads here"),
        ("w*", "wang reads here"),
        ("nobody", "wang reads here"),
        ("", ""),
    ]:
        assert await directory.check(name, password) is None, name


# The library leaves the socket of a server that it does not trust to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_directory_that_cannot_be_trusted_or_asked_is_away(server: Slapd, tmp_path: Path) -> None:
    for change in (
        {"ca": ""},
        {"url": f"ldaps://127.0.0.1:{server.tls_port}"},  # the certificate is for localhost
        {"bind_password": "wrong"},
        {"url": "ldap://localhost:1"},
    ):
        with pytest.raises(Unavailable):
            await LdapDirectory(settings_of(server, **change)).check("wang", "wang reads here")


async def test_accounts_are_made_when_they_first_come_and_roles_follow_the_groups(
    server: Slapd, database: Database, tmp_path: Path
) -> None:
    directory = LdapDirectory(settings_of(server))
    people = people_of(database, tmp_path, directory, "radiologists=radiologist")
    await people.accounts.ensure_first_administrator("correct horse battery staple")
    account = await people.sign_in.by_password("wang", "wang reads here")
    assert (account.name, account.provider, account.roles) == ("wang", "ldap", {"radiologist"})
    with pytest.raises(SignInRefused, match="wrong name or password"):
        await people.sign_in.by_password("guest", "guest reads here")
    with pytest.raises(ValueError, match="kept by ldap"):
        await people.accounts.reset_password(SYSTEM, "wang")
    other = people_of(database, tmp_path, directory, f"cn=radiologists,ou=groups,{BASE}=viewer; x=technologist")
    again = await other.sign_in.by_password("WANG", "wang reads here")
    assert (again.pk, again.roles) == (account.pk, {"viewer"})
    await people.accounts.set_enabled(SYSTEM, "wang", False)
    with pytest.raises(SignInRefused):
        await people.sign_in.by_password("wang", "wang reads here")


async def test_local_administrators_come_in_while_the_directory_is_away(
    server: Slapd, database: Database, tmp_path: Path
) -> None:
    people = people_of(database, tmp_path, LdapDirectory(settings_of(server)), "radiologists=radiologist")
    await people.accounts.ensure_first_administrator("correct horse battery staple")
    await people.sign_in.by_password("wang", "wang reads here")
    server.stop()
    for _ in range(8):
        with pytest.raises(Unavailable):
            await people.sign_in.by_password("wang", "wang reads here")
    assert (await people.sign_in.by_password("admin", "correct horse battery staple")).name == "admin"


async def test_a_directory_takes_over_nobody_s_account(server: Slapd, database: Database, tmp_path: Path) -> None:
    people = people_of(database, tmp_path, LdapDirectory(settings_of(server)), "", "viewer")
    await people.accounts.add(SYSTEM, "wang", roles=["administrator"], password="somebody else here")
    with pytest.raises(SignInRefused):
        await people.sign_in.by_password("wang", "wang reads here")
    assert (await people.sign_in.by_password("wang", "somebody else here")).roles == {"administrator"}
