"""Passwords: argon2id, made and checked in a thread, a few at a time."""

import asyncio
import secrets
from typing import Protocol

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from filmroom.security.password_policy import MAX_BYTES, PasswordRefused, accept_new

__all__ = ["Hasher", "PasswordRefused", "Passwords", "accept_new", "one_time_password"]

# RFC 9106 section 4 asks for argon2id; 19 MiB with one lane and three passes keeps a check near 50 ms, and a flood
# of sign-ins at two checks at a time under 40 MiB.
MEMORY_KIB = 19 * 1024
PASSES = 3
CHECKS_AT_ONCE = 2

# No 0 O 1 I l: a one-time password is read off a screen.
_READABLE = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Hasher(Protocol):
    """What accounts need of a password scheme."""

    async def make(self, password: str) -> str: ...

    async def check(self, password: str, stored: str | None) -> bool: ...


class Passwords:
    """The password scheme in use."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._scheme = PasswordHash((Argon2Hasher(time_cost=passes, memory_cost=memory_kib, parallelism=1),))
        self._gate = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._decoy: str | None = None

    async def make(self, password: str) -> str:
        """The text to store for ``password``."""
        async with self._gate:
            return await asyncio.to_thread(self._scheme.hash, password)

    async def check(self, password: str, stored: str | None) -> bool:
        """Whether ``password`` is the one stored. Takes the same time when nothing is stored."""
        if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            return False
        if self._decoy is None:
            self._decoy = await self.make(secrets.token_urlsafe(24))
        async with self._gate:
            right = await asyncio.to_thread(self._verify, password, stored or self._decoy)
        return right and stored is not None

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._scheme.verify(password, stored)
        except (PwdlibError, UnicodeError):
            return False


def one_time_password() -> str:
    """A fresh password of 16 readable characters (92 bits)."""
    letters = [secrets.choice(_READABLE) for _ in range(16)]
    return "-".join("".join(letters[i : i + 4]) for i in range(0, 16, 4))
