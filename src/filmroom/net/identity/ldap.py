"""LDAP and Active Directory: find the person, bind as them, read their groups (RFC 4511, 4513).

The library waits in a thread, a few at a time. A connection lives for one question.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog
from ldap3 import ALL_ATTRIBUTES, AUTO_BIND_NONE, NONE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from filmroom.base.errors import FilmroomError, Unavailable
from filmroom.security.ports import Vouched
from filmroom.settings import LdapSettings

log = structlog.get_logger()

NAME = "ldap"
QUESTIONS_AT_ONCE = 4
MAX_GROUPS = 1000
INVALID_CREDENTIALS = 49
# What a directory answers to a person who may not come in: wrong password, not allowed, inappropriate, no such object.
_NO = frozenset({INVALID_CREDENTIALS, 50, 48, 32, 53})


class BadDirectory(FilmroomError):
    """The settings of the directory cannot be used."""


class LdapDirectory:
    """A directory of people."""

    def __init__(self, settings: LdapSettings) -> None:
        parts = urlsplit(settings.url)
        if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname:
            raise BadDirectory("people.ldap.url is ldaps://host or ldap://host")
        self._settings = settings
        self._gate = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._encrypted = parts.scheme == "ldaps"
        try:
            tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=settings.ca or None, version=None)
            self._server = Server(
                parts.hostname,
                port=parts.port or (636 if self._encrypted else 389),
                use_ssl=self._encrypted,
                tls=tls,
                get_info=NONE,
                connect_timeout=settings.timeout_s,
            )
        except LDAPException as error:
            raise BadDirectory(f"the directory cannot be used: {error}") from error

    async def check(self, name: str, password: str) -> Vouched | None:
        """Who that is; None when the name or the password is wrong. Raises Unavailable."""
        # A bind with a name and no password is anonymous and always works (RFC 4513 5.1.2): it proves nothing.
        if not name or not password or "\0" in name + password:
            return None
        try:
            async with asyncio.timeout(self._settings.timeout_s * 4), self._gate:
                return await asyncio.to_thread(self._check, name, password)
        except TimeoutError as error:
            raise Unavailable("the directory does not answer") from error

    def _check(self, name: str, password: str) -> Vouched | None:
        settings = self._settings
        try:
            with self._connected(settings.bind_dn, settings.bind_password) as service:
                entry = self._person(service, name)
                if entry is None:
                    return None
                dn = str(entry["dn"])
                groups = self._groups(service, dn, name, entry["attributes"])
            if not self._proves(dn, password):
                return None
        except (LDAPException, OSError) as error:
            log.warning("the directory cannot be asked", error=type(error).__name__)
            raise Unavailable(f"the directory cannot be asked: {type(error).__name__}") from error
        attributes = entry["attributes"]
        subject = _identity(entry, settings.id_attribute) or dn.casefold()
        return Vouched(
            provider=NAME,
            subject=subject,
            name=_first(attributes, settings.name_attribute) or name,
            display_name=_first(attributes, settings.display_attribute),
            groups=frozenset(groups),
        )

    @contextmanager
    def _connected(self, dn: str, password: str) -> Iterator[Connection]:
        """A connection, bound as the service. Raises LDAPException when that does not work."""
        connection = self._connection(dn, password)
        try:
            if not connection.bind():
                log.warning("the directory refuses people.ldap.bind_dn", result=connection.result["description"])
                raise LDAPException("the service may not bind")
            yield connection
        finally:
            connection.unbind()

    def _connection(self, dn: str, password: str) -> Connection:
        connection = Connection(
            self._server,
            user=dn or None,
            password=password or None,
            auto_bind=AUTO_BIND_NONE,
            receive_timeout=max(1, round(self._settings.timeout_s)),
            auto_referrals=False,
            raise_exceptions=False,
            read_only=True,
            check_names=False,
        )
        try:
            connection.open()
            if not self._encrypted and self._settings.start_tls and not connection.start_tls(read_server_info=False):
                raise LDAPException("TLS did not begin")
        except (LDAPException, OSError):
            if connection.socket is not None:
                connection.socket.close()
            raise
        return connection

    def _person(self, service: Connection, name: str) -> Any | None:
        """The one entry that is meant; two would leave open whose password counts."""
        settings = self._settings
        wanted = settings.user_filter.replace("{name}", escape_filter_chars(name))
        attributes = [ALL_ATTRIBUTES, "memberOf"] + ([settings.id_attribute] if settings.id_attribute else [])
        service.search(settings.user_base, wanted, SUBTREE, attributes=attributes, size_limit=2)
        found = _entries(service)
        if len(found) > 1:
            log.warning("the directory has more than one person of a name")
        return found[0] if len(found) == 1 else None

    def _groups(self, service: Connection, dn: str, name: str, attributes: Any) -> list[str]:
        settings = self._settings
        if not settings.group_base:
            return [str(each) for each in _values(attributes, "memberOf")][:MAX_GROUPS]
        wanted = settings.group_filter.replace("{dn}", escape_filter_chars(dn))
        wanted = wanted.replace("{name}", escape_filter_chars(name))
        found = new = self._searched(service, wanted)
        for _ in range(settings.group_depth):
            holders = (f"(|(member={each})(uniqueMember={each}))" for each in map(escape_filter_chars, new))
            above = self._searched(service, f"(|{''.join(holders)})") if new else []
            new = [each for each in above if each not in found][: MAX_GROUPS - len(found)]
            found = found + new
        return found

    def _searched(self, service: Connection, wanted: str) -> list[str]:
        """The DNs of the groups that a filter finds."""
        service.search(self._settings.group_base, wanted, SUBTREE, attributes=["cn"], size_limit=MAX_GROUPS)
        return [str(each["dn"]) for each in _entries(service)]

    def _proves(self, dn: str, password: str) -> bool:
        """Whether the directory takes this password for this person."""
        connection = self._connection(dn, password)
        try:
            if connection.bind():
                return True
            if connection.result["result"] not in _NO:
                raise LDAPException(connection.result["description"])
            return False
        finally:
            connection.unbind()


def _entries(connection: Connection) -> list[Any]:
    return [each for each in connection.response or [] if each.get("type") == "searchResEntry"]


def _values(attributes: Any, name: str) -> list[Any]:
    value: Any = next((attributes[key] for key in attributes if key.casefold() == name.casefold()), [])
    return value if isinstance(value, list) else [value]


def _first(attributes: Any, name: str) -> str:
    found = _values(attributes, name)
    return str(found[0]) if found else ""


def _identity(entry: Any, name: str) -> str:
    """The attribute that never changes, as text: a GUID is bytes."""
    raw: list[bytes] = next((v for key, v in entry["raw_attributes"].items() if key.casefold() == name.casefold()), [])
    if not name or not raw:
        return ""
    value = raw[0]
    return value.decode() if value.isascii() and value.decode().isprintable() else value.hex()
