"""Codes of an authenticator program (RFC 6238), and recovery codes for the day it is lost."""

import hmac
import secrets
from dataclasses import dataclass

import pyotp

from filmroom.base.clock import Clock
from filmroom.base.errors import Forbidden, NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.accounts import Accounts
from filmroom.security.lockout import BY_FACTOR, Attempts, factor_key
from filmroom.security.model import Account
from filmroom.security.policy import Action, demand
from filmroom.security.ports import AccountEvent, Auditing
from filmroom.security.principals import Principal
from filmroom.security.qr import qr_svg
from filmroom.security.remembered import digest
from filmroom.security.sealing import Sealing

sql = queries.load("filmroom.security", "security.sql")

ISSUER = "Filmroom"
STEP_S = 30
# A clock may be one step off, either way (RFC 6238 5.2).
STEPS_OFF = (0, -1, 1)
RECOVERY_CODES = 10
# No 0 O 1 I l: a recovery code is typed off paper. Ten of them carry 49 bits, and guesses are counted.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator program needs: as a picture (SVG), an address, and a text to type. Shown once."""

    secret: str
    uri: str
    svg: str


class Totp:
    """Enrol, check, take away."""

    def __init__(self, database: Database, clock: Clock, accounts: Accounts, sealing: Sealing, audit: Auditing) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._sealing = sealing
        self._audit = audit
        self._attempts = Attempts(database, clock)

    async def begin(self, account: Account) -> Enrolment:
        """A fresh secret that waits for its first code; one in force stays in force until then."""
        secret = pyotp.random_base32()
        async with self._database.connection() as connection:
            sealed = self._sealing.seal(secret.encode(), _purpose(account.pk))
            await sql.totp_waits.run(connection, pk=account.pk, sealed=sealed)
        return _enrolment(secret, account.name)

    async def waiting(self, account: Account) -> Enrolment | None:
        """The enrolment that waits for its first code."""
        async with self._database.connection() as connection:
            row = await sql.totp_of.one(connection, pk=account.pk)
        if row is None or row["totp_waiting"] is None:
            return None
        return _enrolment(self._sealing.open(row["totp_waiting"], _purpose(account.pk)).decode(), account.name)

    async def confirm(self, account: Account, code: str) -> list[str] | None:
        """Put the waiting secret in force when ``code`` is one of its codes: fresh recovery codes, None otherwise.

        Raises AccountLocked, NotFound when nothing waits.
        """
        async with self._database.connection() as connection:
            row = await sql.totp_of.one(connection, pk=account.pk)
        if row is None or row["totp_waiting"] is None:
            raise NotFound("no enrolment waits for a code")
        await self._attempts.begin(factor_key(account.pk), BY_FACTOR)
        step = self._step_of(self._sealing.open(row["totp_waiting"], _purpose(account.pk)).decode(), code)
        if step is None:
            return None
        async with self._database.transaction() as tx:
            if await sql.totp_begins.value(tx, pk=account.pk, step=step, sealed=row["totp_waiting"]) is None:
                return None
            codes = await self._fresh_codes(tx, account.pk)
        await self._attempts.succeeded(factor_key(account.pk))
        await self._tell(account.principal(), account.name, "authenticator added")
        return codes

    async def check(self, account: Account, code: str) -> bool:
        """Whether ``code`` is the authenticator's present one, or a recovery code; each works once.

        Raises AccountLocked.
        """
        await self._attempts.begin(factor_key(account.pk), BY_FACTOR)
        right = await self._by_code(account.pk, code) or await self._by_recovery(account, code)
        if right:
            await self._attempts.succeeded(factor_key(account.pk))
        return right

    async def renew_recovery(self, account: Account) -> list[str]:
        """Fresh recovery codes; the old ones end. Raises Forbidden without an authenticator."""
        if not account.has_totp:
            raise Forbidden("recovery codes stand in for an authenticator, and there is none")
        async with self._database.transaction() as tx:
            codes = await self._fresh_codes(tx, account.pk)
        await self._tell(account.principal(), account.name, "recovery codes renewed")
        return codes

    async def recovery_left(self, account: Account) -> int:
        """How many recovery codes are unspent."""
        async with self._database.connection() as connection:
            return int(await sql.recovery_codes_left.value(connection, pk=account.pk))

    async def remove(self, who: Principal, name: str) -> None:
        """Take the authenticator away, recovery codes too: one's own, or an administrator for somebody who lost it."""
        account = await self._accounts.get(who, name)
        if who.id != account.principal().id:
            demand(who, Action.SECURITY)
        async with self._database.transaction() as tx:
            await sql.totp_ends.run(tx, pk=account.pk)
            await sql.forget_recovery_codes.run(tx, pk=account.pk)
        await self._tell(who, account.name, "authenticator removed")

    async def _by_code(self, pk: int, code: str) -> bool:
        async with self._database.connection() as connection:
            row = await sql.totp_of.one(connection, pk=pk)
            if row is None or row["totp_sealed"] is None:
                return False
            step = self._step_of(self._sealing.open(row["totp_sealed"], _purpose(pk)).decode(), code)
            return step is not None and await sql.totp_spent.value(connection, pk=pk, step=step) is not None

    async def _by_recovery(self, account: Account, code: str) -> bool:
        plain = _plain(code)
        if len(plain) != 10:
            return False
        async with self._database.connection() as connection:
            spent = await sql.spend_recovery_code.value(
                connection, pk=account.pk, digest=digest(f"{account.pk}:{plain}")
            )
        if spent is None:
            return False
        await self._tell(account.principal(), account.name, "recovery code used")
        return True

    def _step_of(self, secret: str, code: str) -> int | None:
        """The time step whose code this is; all are compared, in the same time."""
        given = "".join(code.split()).encode("utf-8", "replace")
        now = int(self._clock.now().timestamp()) // STEP_S
        codes = pyotp.TOTP(secret)
        found = None
        for off in STEPS_OFF:
            if hmac.compare_digest(codes.generate_otp(now + off).encode(), given):
                found = now + off
        return found

    async def _fresh_codes(self, tx: object, pk: int) -> list[str]:
        await sql.forget_recovery_codes.run(tx, pk=pk)
        codes = ["".join(secrets.choice(_READABLE) for _ in range(10)) for _ in range(RECOVERY_CODES)]
        for each in codes:
            await sql.add_recovery_code.run(tx, pk=pk, digest=digest(f"{pk}:{each}"))
        return [f"{each[:5]}-{each[5:]}" for each in codes]

    async def _tell(self, who: Principal, about: str, change: str) -> None:
        for each in self._accounts.on_change:
            each()
        await self._audit.record(AccountEvent(kind="factor-changed", who=who, about=about, detail={"change": change}))


def _purpose(pk: int) -> str:
    return f"totp:{pk}"


def _plain(code: str) -> str:
    return "".join(letter for letter in code.lower() if letter in _READABLE)


def _enrolment(secret: str, name: str) -> Enrolment:
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    return Enrolment(secret, uri, qr_svg(uri))
