"""Accounts, sessions and tokens as values."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from filmroom.base.errors import FilmroomError
from filmroom.security.principals import Principal, person


class SignInRefused(FilmroomError):
    """The name or the password is wrong, or the account may not sign in (the cases are not told apart)."""


class AccountLocked(SignInRefused):
    """Too many wrong attempts: the account or the address is locked for a while."""

    def __init__(self, until: datetime) -> None:
        super().__init__("too many wrong attempts; wait a while before the next")
        self.until = until


class NameTaken(FilmroomError):
    """There is already an account of this name."""


class LastAdministrator(FilmroomError):
    """This is the last administrator who can sign in: make another first."""


class Owes(Enum):
    """What somebody who gave a right password must do before anything else."""

    NOTHING = "nothing"
    FACTOR = "factor"  # show the second factor
    PASSWORD = "password"  # replace a one-time or an expired password
    ENROLMENT = "enrolment"  # set up a second factor, which a role of theirs demands


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who can sign in. ``provider`` is '' for an account of this archive, else who vouches for it."""

    pk: int
    name: str
    display_name: str
    roles: frozenset[str]
    enabled: bool
    must_change: bool
    created_at: datetime
    provider: str = ""
    has_totp: bool = False
    passkeys: int = 0
    last_administrator: bool = False
    last_sign_in: datetime | None = None
    password_at: datetime | None = None
    one_time_until: datetime | None = None
    locked_until: datetime | None = None
    password_hash: str | None = field(default=None, repr=False)

    @property
    def has_factor(self) -> bool:
        """Whether a password alone does not open it."""
        return self.has_totp or self.passkeys > 0

    def principal(self) -> Principal:
        return person(self.pk, self.name, self.roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody who proved who they are, and what they still owe. ``session`` is 0 without a browser's session."""

    principal: Principal
    must_change: bool = False
    expires_at: datetime | None = None
    owes: Owes = Owes.NOTHING
    session: int = 0
    method: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """An open session as listed."""

    pk: int
    account: str
    created_at: datetime
    last_seen: datetime
    expires_at: datetime
    peer: str
    agent: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A bearer token as listed: never its text. ``actions`` is None where it may all that its account may."""

    pk: int
    account: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    actions: frozenset[str] | None = None
    last_used: datetime | None = None
    last_peer: str = ""
