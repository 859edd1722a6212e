"""DICOM over TLS, both ways (PS3.15 B.9 and B.10, the BCP 195 profiles): TLS 1.2 with ECDHE and AEAD, and TLS 1.3.

The files are read again when they change: associations that stand keep what they began with.
"""

import ipaddress
import math
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from filmroom.archive.devices import Device
from filmroom.base.errors import FilmroomError, NotReadable
from filmroom.net.dimse.certificates import validity
from filmroom.settings import DimseSettings
from filmroom.wire.ul.pdu import REJECTED_CALLING_AE, AssociateRj

log = structlog.get_logger()

# RFC 9325 4.2 without the DHE suites, which it advises against; TLS 1.3 brings its own.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"

# A peer that does not say goodbye in TLS keeps no connection longer.
SHUTDOWN_TIMEOUT_S: Final = 5.0

WARN_DAYS: Final = 30

CLIENT_CERTIFICATES: Final = {
    "none": ssl.CERT_NONE,
    "wanted": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


class TlsNotUsable(FilmroomError):
    """The certificate, key or authorities of the settings cannot be used."""


@dataclass(frozen=True, slots=True)
class DeviceTls:
    """What one device's policy says: it is called over TLS; it may call over TLS only; its certificate is for ``name``
    (a DNS name, an address or the common name); whether its name is checked when we call it.
    """

    use: bool = False
    required: bool = False
    name: str = ""
    check_name: bool = True

    @classmethod
    def of(cls, device: Device | None) -> "DeviceTls":
        """From the policy's ``tls``: true, or an object of ``call``, ``required``, ``name`` and ``check_name``; and its
        keys ``tls_required`` and ``tls_name``. What cannot be read counts as asked for.
        """
        keys: Mapping[str, Any] = {} if device is None else device.policy.more
        tls = keys.get("tls", {})
        within: Mapping[str, Any] = tls if isinstance(tls, Mapping) else {"call": bool(tls)}
        return cls(
            use=bool(within.get("call", False)),
            required=bool(within.get("required", keys.get("tls_required", False))),
            name=str(within.get("name") or keys.get("tls_name") or ""),
            check_name=within.get("check_name") is not False,
        )


@dataclass(frozen=True, slots=True)
class Secured:
    """What protects a connection. ``names``: of the peer's verified certificate, none when it showed none."""

    version: str
    cipher: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How to call one peer over TLS."""

    context: ssl.SSLContext
    server_name: str


class Certificates:
    """Our certificate, its key and the authorities, as contexts that are made anew when a file changes."""

    def __init__(
        self,
        certificate: str,
        key: str,
        ca: str,
        clients: str = "none",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises TlsNotUsable with what is wrong and with which file."""
        if clients not in CLIENT_CERTIFICATES:
            raise TlsNotUsable(f"dimse.tls_client_certificates must be none, wanted or required, not {clients!r}")
        if certificate and not key:
            raise TlsNotUsable("dimse.tls_certificate is set and dimse.tls_key is not: a certificate needs its key")
        if clients != "none" and not ca:
            raise TlsNotUsable("dimse.tls_client_certificates needs dimse.tls_ca: whom to trust")
        self._certificate, self._key, self._ca = certificate, key, ca
        self._clients = CLIENT_CERTIFICATES[clients]
        self._now = now
        self._seen = self._signature()
        self._server, self._client = self._make()
        self._warned_for: tuple[datetime, int] | None = None

    @classmethod
    def of(cls, settings: DimseSettings) -> "Certificates":
        return cls(settings.tls_certificate, settings.tls_key, settings.tls_ca, settings.tls_client_certificates)

    @property
    def serves(self) -> bool:
        """Whether there is a certificate to listen with."""
        return bool(self._certificate)

    def server(self) -> ssl.SSLContext:
        """For a connection that comes in now."""
        self._refresh()
        assert self._server is not None, "there is no certificate to listen with"
        return self._server

    def client(self, host: str, terms: DeviceTls) -> ClientTls:
        """For a connection to ``host`` now; ``terms.name`` stands in for the host where it is set."""
        self._refresh()
        name = terms.name or host
        if terms.check_name:
            return ClientTls(self._client, name)
        unchecked = self._new_client()
        unchecked.check_hostname = False
        return ClientTls(unchecked, name)

    def days_left(self) -> float | None:
        """Days until our certificate ends, negative after; None without one. Raises NotReadable."""
        if not self._certificate:
            return None
        _, ends = validity(_text(self._certificate))
        return (ends - self._now()).total_seconds() / 86_400

    def left(self) -> dict[str, int]:
        """Whole days that each certificate has left, by name; what cannot be read is left out."""
        try:
            days = self.days_left()
        except (NotReadable, OSError):
            return {}
        return {} if days is None else {"DICOM TLS": math.floor(days)}

    def remind(self) -> None:
        """Log that the certificate is about to end, once a day."""
        try:
            left = self.days_left()
        except (NotReadable, OSError):
            return
        today = (self._now().replace(hour=0, minute=0, second=0, microsecond=0), int(left or 0))
        if left is not None and left < WARN_DAYS and self._warned_for != today:
            self._warned_for = today
            text = "our DICOM TLS certificate has ended" if left < 0 else "our DICOM TLS certificate ends soon"
            log.warning(text, file=self._certificate, days_left=round(left, 1))

    def _signature(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key, self._ca))

    def _refresh(self) -> None:
        """What cannot be used (half of a pair was replaced so far) leaves the old in force, and is tried again."""
        self.remind()
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._server, self._client = self._make()
        except TlsNotUsable as error:
            log.warning("changed TLS files are not used yet", reason=str(error))
        else:
            log.info("TLS files read again")

    def _make(self) -> tuple[ssl.SSLContext | None, ssl.SSLContext]:
        client = self._new_client()
        if not self._certificate:
            return None, client
        server = _profile(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        server.verify_mode = self._clients
        self._load(server)
        return server, client

    def _new_client(self) -> ssl.SSLContext:
        context = _profile(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._load(context)
        if not self._ca:
            context.load_default_certs()
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        if self._ca:
            _text(self._ca)
            try:
                context.load_verify_locations(self._ca)
            except ssl.SSLError as error:
                raise TlsNotUsable(f"{self._ca} holds no usable certificate authorities in PEM form") from error
        if not self._certificate:
            return
        for path in (self._certificate, self._key):
            _text(path)
        try:
            validity(_text(self._certificate))
            context.load_cert_chain(self._certificate, self._key, password=_no_passphrase(self._key))
        except NotReadable as error:
            raise TlsNotUsable(f"{self._certificate}: {error}") from error
        except ssl.SSLError as error:
            raise TlsNotUsable(self._pair_fault(error)) from error

    def _pair_fault(self, error: ssl.SSLError) -> str:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the key in {self._key} does not belong to the certificate in {self._certificate}"
        if error.reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"):
            return (
                f"the certificate in {self._certificate} is too weak ({error.reason}): make one of 2048 bits or P-256"
            )
        return f"{self._certificate} and {self._key} cannot be used together: {error.reason or error}"


def secured_by(ssl_object: Any) -> Secured | None:
    """What protects the connection of this SSL object; None for a plain one."""
    if ssl_object is None:
        return None
    cipher = ssl_object.cipher()
    found = ssl_object.getpeercert() or {}
    return Secured(str(ssl_object.version() or ""), str(cipher[0]) if cipher else "", tuple(_names(found)))


def tls_refusal(device: Device | None, secured: Secured | None) -> AssociateRj | None:
    """Why a caller may not call as it does; the comment is for our log, the peer learns that its title is refused."""
    terms = DeviceTls.of(device)
    if secured is None:
        return _refused("this device may call over TLS only") if terms.required or terms.name else None
    if terms.name and not is_for(secured.names, terms.name):
        shown = ", ".join(secured.names) or "no certificate"
        return _refused(f"the device's certificate must be for {terms.name}; it shows {shown}")
    return None


def _refused(why: str) -> AssociateRj:
    return replace(REJECTED_CALLING_AE, comment=why)


def is_for(names: tuple[str, ...], wanted: str) -> bool:
    """Whether a certificate with these names is for ``wanted``; letter case means nothing, addresses are compared."""
    return _normal(wanted) in {_normal(name) for name in names}


def _names(certificate: dict[str, Any]) -> Iterator[str]:
    """DNS names and addresses, and the common name, which devices have where nothing else is asked of them."""
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in ("DNS", "IP Address"):
            yield str(value)
    for part in certificate.get("subject", ()):
        for kind, value in part:
            if kind == "commonName":
                yield str(value)


def _normal(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.rstrip(".").casefold()


def _profile(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise TlsNotUsable(f"{path} cannot be read: {error.strerror}") from error


def _stamp(path: str) -> tuple[int, int, int]:
    """Tells a file from a changed one; zeros for none."""
    try:
        found = Path(path).stat() if path else None
    except OSError:
        found = None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else (0, 0, 0)


def _no_passphrase(path: str) -> Callable[[], str]:
    def ask() -> str:
        raise TlsNotUsable(f"the key in {path} has a passphrase: write it without one, readable by this account only")

    return ask
