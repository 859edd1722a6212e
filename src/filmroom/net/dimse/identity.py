"""Who is at the device: the user identity of an association request (PS3.7 D.3.3.7), checked against the accounts."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from filmroom.base.errors import FilmroomError, Unavailable
from filmroom.security.model import Account, SignInRefused
from filmroom.settings import DimseSettings
from filmroom.wire.ul.items import UserIdentity
from filmroom.wire.ul.pdu import REJECTED_CONGESTION, REJECTED_NO_REASON, AssociateAc, AssociateRj

log = structlog.get_logger()

NAME_AND_PASSCODE = 2
MODES = ("ignored", "accepted", "required")

Identify = Callable[[str, str, str], Awaitable[Account]]


class BadMode(FilmroomError):
    """dimse.user_identity is ignored, accepted or required."""


class Identities:
    """Judges what callers say of their user. The device stays who acts; the user must be somebody, with the role."""

    def __init__(self, settings: DimseSettings, identify: Identify | None) -> None:
        if settings.user_identity not in MODES:
            raise BadMode
        self._required = settings.user_identity == "required"
        self._on = settings.user_identity != "ignored"
        self._role = settings.user_identity_role
        self._identify = identify

    async def refusal(self, identity: UserIdentity | None, peer: str) -> AssociateRj | None:
        """None when the caller may go on."""
        if not self._on:
            return None
        if identity is None or identity.type != NAME_AND_PASSCODE or self._identify is None:
            return _because("a user name with passcode is required") if self._required else None
        try:
            name, passcode = identity.primary.decode(), identity.secondary.decode()
            account = await self._identify(name, passcode, peer)
        except UnicodeDecodeError:
            return _because("the user name is not UTF-8")
        except SignInRefused:
            return _because("the user name or the passcode is wrong")
        except Unavailable:
            return REJECTED_CONGESTION
        if self._role and self._role not in account.roles:
            return _because("the user does not have the role that is required")
        log.info("user of an association", account=account.pk, peer=peer)
        return None

    def answered(self, identity: UserIdentity | None, answer: AssociateAc) -> AssociateAc:
        """The answer with its response for who asked for one: empty for a name and passcode (PS3.7 D.3.3.7.2)."""
        if not self._on or identity is None or identity.type != NAME_AND_PASSCODE or not identity.answer_wanted:
            return answer
        return replace(answer, user=replace(answer.user, user_identity_answer=b""))


def _because(sentence: str) -> AssociateRj:
    return replace(REJECTED_NO_REASON, comment=sentence)
