"""The key that signs the audit trail, and the file that knows its end beside the database."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from filmroom.base.errors import Unavailable
from filmroom.security.audit_chain import Seal, Signer, key_id, seal_from

# A line of the file of checkpoints is written once the chain has grown by so many records.
CHECKPOINT_EVERY = 1000


class AuditFolder:
    """``audit`` in the data folder: ``key.pem`` (ours alone), ``keys/`` (public keys, old ones too), ``head`` (the
    signed end) and ``checkpoints`` (a line every thousand records; copy it away or print it)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "keys").mkdir(parents=True, exist_ok=True)
        (path / "spool").mkdir(exist_ok=True)
        self._checked = -CHECKPOINT_EVERY

    def signer(self) -> Signer:
        """The key, made the first time. Raises Unavailable when it cannot be read."""
        file = self.path / "key.pem"
        if not file.exists():
            self._make(file)
        key = load_pem_private_key(file.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise Unavailable("audit/key.pem is no Ed25519 key")
        signer = Signer(key)
        public = self.path / "keys" / f"{signer.key_id}.pem"
        if not public.exists():
            public.write_bytes(signer.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return signer

    def keys(self) -> dict[str, Ed25519PublicKey]:
        """Every public key whose signatures count."""
        found = {}
        for file in sorted((self.path / "keys").glob("*.pem")):
            key = load_pem_public_key(file.read_bytes())
            if isinstance(key, Ed25519PublicKey):
                found[key_id(key)] = key
        return found

    def head(self) -> Seal | None:
        """The end as this folder knows it."""
        with contextlib.suppress(OSError, ValueError):
            return seal_from((self.path / "head").read_bytes())
        return None

    def checkpoints(self) -> list[Seal]:
        """The signed places on the way there. Lines that cannot be read are left out."""
        found = []
        with contextlib.suppress(OSError):
            for line in (self.path / "checkpoints").read_bytes().splitlines():
                with contextlib.suppress(ValueError):
                    found.append(seal_from(line))
        return found

    def went_on(self, seal: Seal) -> None:
        """The chain ends here now. An end that is known and further on stays."""
        with self._locked():
            known = self.head()
            if known is not None and known.seq >= seal.seq:
                return
            fresh = self.path / "head.new"
            fresh.write_bytes(seal.to_line() + b"\n")
            fresh.replace(self.path / "head")
            if seal.seq - self._checked >= CHECKPOINT_EVERY:
                self._checked = seal.seq
                with (self.path / "checkpoints").open("ab") as file:
                    file.write(seal.to_line() + b"\n")

    def keep(self, seal: Seal) -> bool:
        """Keep a seal among the checkpoints; false when it is there already."""
        with self._locked():
            if any(seal.signature == each.signature for each in self.checkpoints()):
                return False
            with (self.path / "checkpoints").open("ab") as file:
                file.write(seal.to_line() + b"\n")
            return True

    def _make(self, file: Path) -> None:
        key = Ed25519PrivateKey.generate()
        fresh = self.path / f"key.{os.getpid()}"
        descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with contextlib.suppress(FileExistsError):
            os.link(fresh, file)  # of two processes that start at once, one key counts
        fresh.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
