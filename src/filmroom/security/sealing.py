"""Secrets that must be readable again lie sealed in the database: AES-256-GCM, the key in a file outside."""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from filmroom.base.errors import Corrupt, FilmroomError

KEY_BYTES = 32
NONCE_BYTES = 12


class BadKey(FilmroomError):
    """The key file for sealed secrets cannot be used: it must hold 32 bytes and be readable by this user alone."""


class Sealing:
    """Seal and open. ``purpose`` is part of the seal: what was sealed as one thing does not open as another."""

    def __init__(self, key: bytes) -> None:
        self._key = AESGCM(key)

    @classmethod
    def of(cls, path: Path) -> "Sealing":
        """With the key in ``path``, which is made when it is not there. Raises BadKey."""
        with contextlib.suppress(FileExistsError), _fresh(path) as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            key = path.read_bytes()
        except OSError as error:
            raise BadKey(f"{path}: {error.strerror}") from error
        if len(key) != KEY_BYTES:
            raise BadKey(f"{path} must hold {KEY_BYTES} bytes")
        return cls(key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """``plain`` so that nobody reads or changes it without the key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """What was sealed. Raises Corrupt."""
        try:
            return self._key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise Corrupt("a sealed secret does not open with this key") from error


def _fresh(path: Path):  # type: ignore[no-untyped-def]
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
