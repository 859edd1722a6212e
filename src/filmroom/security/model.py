"""Accounts, sessions and tokens as values."""

from dataclasses import dataclass, field
from datetime import datetime

from filmroom.base.errors import FilmroomError
from filmroom.security.principals import Principal, person


class SignInRefused(FilmroomError):
    """The name or the password is wrong, or the account may not sign in (the cases are not told apart)."""


class AccountLocked(SignInRefused):
    """Too many wrong passwords: the account is locked for a while."""

    def __init__(self, until: datetime) -> None:
        super().__init__("too many wrong passwords; the account is locked for a while")
        self.until = until


class NameTaken(FilmroomError):
    """There is already an account of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who can sign in."""

    pk: int
    name: str
    display_name: str
    roles: frozenset[str]
    enabled: bool
    must_change: bool
    created_at: datetime
    locked_until: datetime | None = None
    password_hash: str | None = field(default=None, repr=False)

    def principal(self) -> Principal:
        return person(self.pk, self.name, self.roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody who proved who they are, and what they still owe."""

    principal: Principal
    must_change: bool
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A bearer token as listed: never its text."""

    pk: int
    account: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
