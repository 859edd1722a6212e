"""What the question "who is it, and may they?" needs from outside, as small protocols."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from filmroom.security.principals import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent:
    """Something about signing in or about an account.

    ``kind``: login, login-refused, logout, password-changed, account-changed, token-issued, token-revoked,
    session-ended, factor-changed. ``about`` is the account's name, as typed where there is no such account.
    """

    kind: str
    who: Principal | None
    about: str
    worked: bool = True
    peer: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


class Auditing(Protocol):
    """Where such events go. Returns when the event cannot be lost any more, or is in a bounded queue."""

    async def record(self, event: AccountEvent) -> None: ...


class NoAudit:
    """Nobody listens: tests, and commands that write nothing."""

    async def record(self, event: AccountEvent) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Somebody for whom a directory or an identity provider vouches. ``subject`` never changes there."""

    provider: str
    subject: str
    name: str
    display_name: str = ""
    groups: frozenset[str] = frozenset()


class Directory(Protocol):
    """A directory of people (LDAP, Active Directory)."""

    async def check(self, name: str, password: str) -> Vouched | None:
        """Who that is; None when the name or the password is wrong. Raises Unavailable."""
        ...


class Dresses(Protocol):
    """Works out what the roles of a person mean, once for a session."""

    async def __call__(self, who: Principal) -> Principal: ...


async def as_is(who: Principal) -> Principal:
    """The ready roles, as they are."""
    return who
