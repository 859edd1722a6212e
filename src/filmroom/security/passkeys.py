"""Passkeys (W3C Web Authentication): as the second factor, or instead of a password."""

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.accounts import Accounts
from filmroom.security.model import Account, SignInRefused
from filmroom.security.policy import Action, demand
from filmroom.security.ports import AccountEvent, Auditing
from filmroom.security.principals import Principal
from filmroom.security.questions import Questions

log = structlog.get_logger()
sql = queries.load("filmroom.security", "security.sql")

CHALLENGE_BYTES = 32
HANDLE_BYTES = 32
MAX_PASSKEYS = 20
MAX_LABEL = 100


class PasskeyRefused(SignInRefused):
    """The passkey's answer is not one that can be trusted."""


@dataclass(frozen=True, slots=True)
class Site:
    """As which site the browser knows us: ``name`` is the domain that passkeys are bound to."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRow:
    """A passkey as listed."""

    pk: int
    label: str
    created_at: datetime
    last_used: datetime | None


class Passkeys:
    """Add, use, remove."""

    def __init__(
        self, database: Database, clock: Clock, accounts: Accounts, questions: Questions, audit: Auditing
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._questions = questions
        self._audit = audit

    async def offer(self, account: Account, site: Site) -> str:
        """What the browser needs to make a passkey (JSON of PublicKeyCredentialCreationOptions)."""
        challenge = await self._ask("passkey-new", account.pk)
        async with self._database.connection() as connection:
            handle = await sql.passkey_handle.value(connection, pk=account.pk, fresh=secrets.token_bytes(HANDLE_BYTES))
            known = await sql.passkeys_of.all(connection, pk=account.pk)
        return webauthn.options_to_json(
            webauthn.generate_registration_options(
                rp_id=site.name,
                rp_name="Filmroom",
                user_id=bytes(handle),
                user_name=account.name,
                user_display_name=account.display_name or account.name,
                challenge=challenge,
                attestation=AttestationConveyancePreference.NONE,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.PREFERRED,
                    user_verification=UserVerificationRequirement.PREFERRED,
                ),
                exclude_credentials=[PublicKeyCredentialDescriptor(id=bytes(row["credential_id"])) for row in known],
            )
        )

    async def add(self, account: Account, site: Site, answer: dict[str, Any], label: str = "") -> None:
        """Keep the passkey that the browser made. Raises PasskeyRefused."""
        asked = await self._answered(answer, "passkey-new")
        if asked is None or asked[0] != account.pk:
            raise PasskeyRefused("nobody asked for this passkey, or too long ago")
        if account.passkeys >= MAX_PASSKEYS:
            raise PasskeyRefused(f"an account has at most {MAX_PASSKEYS} passkeys")
        try:
            made = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=asked[1],
                expected_rp_id=site.name,
                expected_origin=site.origin,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused(f"the passkey cannot be used: {type(error).__name__}") from error
        async with self._database.connection() as connection:
            added = await sql.add_passkey.value(
                connection,
                account_pk=account.pk,
                credential_id=made.credential_id,
                public_key=made.credential_public_key,
                sign_count=made.sign_count,
                label=label[:MAX_LABEL],
                now=self._clock.now(),
            )
        if added is None:
            raise PasskeyRefused("this passkey is known already")
        await self._tell(account.principal(), account.name, "passkey added")

    async def ask(self, site: Site, account: Account | None = None) -> str:
        """What the browser needs to show a passkey (JSON of PublicKeyCredentialRequestOptions): one of ``account``'s
        as a second factor, or any that this site has in the browser, with its user verified, instead of a password."""
        challenge = await self._ask("passkey", None if account is None else account.pk)
        allowed: list[PublicKeyCredentialDescriptor] = []
        if account is not None:
            async with self._database.connection() as connection:
                rows = await sql.passkeys_of.all(connection, pk=account.pk)
            allowed = [PublicKeyCredentialDescriptor(id=bytes(row["credential_id"])) for row in rows]
        verification = UserVerificationRequirement
        return webauthn.options_to_json(
            webauthn.generate_authentication_options(
                rp_id=site.name,
                challenge=challenge,
                allow_credentials=allowed,
                user_verification=verification.REQUIRED if account is None else verification.PREFERRED,
            )
        )

    async def check(self, site: Site, answer: dict[str, Any], account: Account | None = None) -> Account:
        """Whose passkey answered. With ``account``, only that account's will do. Raises PasskeyRefused."""
        asked = await self._answered(answer, "passkey")
        if asked is None or asked[0] != (None if account is None else account.pk):
            raise PasskeyRefused("nobody asked for this passkey, or too long ago")
        async with self._database.connection() as connection:
            row = await sql.passkey.one(connection, credential_id=_bytes(answer.get("rawId") or answer.get("id")))
        if row is None or (account is not None and row["account_pk"] != account.pk):
            raise PasskeyRefused("this passkey is not known here")
        handle = _response(answer).get("userHandle")
        if handle and _bytes(handle) != bytes(row["passkey_handle"]):
            raise PasskeyRefused("this passkey belongs to somebody else")
        try:
            shown = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=asked[1],
                expected_rp_id=site.name,
                expected_origin=site.origin,
                credential_public_key=bytes(row["public_key"]),
                credential_current_sign_count=row["sign_count"],
                require_user_verification=account is None,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            log.warning("passkey refused", passkey=row["pk"], why=type(error).__name__)
            raise PasskeyRefused("the passkey's answer is not right") from error
        async with self._database.connection() as connection:
            count = shown.new_sign_count
            await sql.passkey_used.run(connection, pk=row["pk"], sign_count=count, now=self._clock.now())
        found = await self._accounts.of(row["account_pk"])
        if not found.enabled:
            raise PasskeyRefused("the account is closed")
        return found

    async def list(self, who: Principal, name: str = "") -> list[PasskeyRow]:
        """The passkeys of an account, one's own by default. Raises NotFound, Forbidden."""
        account = await self._accounts.get(who, name or who.name)
        async with self._database.connection() as connection:
            rows = await sql.passkeys_of.all(connection, pk=account.pk)
        return [
            PasskeyRow(pk=row["pk"], label=row["label"], created_at=row["created_at"], last_used=row["last_used"])
            for row in rows
        ]

    async def remove(self, who: Principal, pk: int, name: str = "") -> None:
        """Remove a passkey of one's own, or an administrator anybody's. Raises NotFound, Forbidden."""
        account = await self._accounts.get(who, name or who.name)
        async with self._database.connection() as connection:
            if await sql.remove_passkey.value(connection, pk=pk, account_pk=account.pk) is None:
                raise NotFound(f"there is no passkey {pk}")
        await self._tell(who, account.name, "passkey removed")

    async def remove_all(self, who: Principal, name: str) -> None:
        """Remove every passkey of somebody who lost them. Raises NotFound, Forbidden."""
        demand(who, Action.SECURITY)
        account = await self._accounts.get(who, name)
        async with self._database.connection() as connection:
            await sql.remove_passkeys.run(connection, pk=account.pk)
        await self._tell(who, account.name, "passkeys removed")

    async def _ask(self, kind: str, account_pk: int | None) -> bytes:
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        await self._questions.ask(challenge.hex(), kind, account_pk=account_pk)
        return challenge

    async def _answered(self, answer: dict[str, Any], kind: str) -> tuple[int | None, bytes] | None:
        """Whose challenge the answer signs; None when we did not ask, or it was answered before."""
        try:
            told = json.loads(_bytes(_response(answer).get("clientDataJSON")))
            challenge = _bytes(told["challenge"])
        except (ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused("the passkey's answer cannot be read") from error
        found = await self._questions.answered(challenge.hex(), kind)
        return None if found is None else (found[0], challenge)

    async def _tell(self, who: Principal, about: str, change: str) -> None:
        for each in self._accounts.on_change:
            each()
        await self._audit.record(AccountEvent(kind="factor-changed", who=who, about=about, detail={"change": change}))


def _response(answer: dict[str, Any]) -> dict[str, Any]:
    response = answer.get("response")
    return response if isinstance(response, dict) else {}


def _bytes(text: object) -> bytes:
    """Base64url without padding. Raises PasskeyRefused."""
    if not isinstance(text, str) or not text or not text.isascii():
        raise PasskeyRefused("the passkey's answer cannot be read")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise PasskeyRefused("the passkey's answer cannot be read") from error
