"""When a certificate ends, from its DER (RFC 5280 4.1): the standard library reads those of verified peers only."""

import ssl
from datetime import UTC, datetime
from typing import Final

from filmroom.base.errors import NotReadable

_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_BEFORE_VALIDITY: Final = 3  # serial number, signature algorithm, issuer


def validity(pem: str) -> tuple[datetime, datetime]:
    """From when to when the first certificate of a PEM text is valid. Raises NotReadable."""
    start = pem.find(_BEGIN)
    end = pem.find(_END, start)
    if start < 0 or end < 0:
        raise NotReadable("there is no certificate in PEM form")
    try:
        return _validity(ssl.PEM_cert_to_DER_cert(pem[start : end + len(_END)]))
    except (ValueError, IndexError) as error:
        raise NotReadable("the certificate cannot be read") from error


def _validity(der: bytes) -> tuple[datetime, datetime]:
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    if rest[0] == _VERSION:
        _, _, rest = _element(rest)
    for _ in range(_BEFORE_VALIDITY):
        _, _, rest = _element(rest)
    kind, times, _ = _element(rest)
    if kind != _SEQUENCE:
        raise ValueError("no validity")
    kind, value, rest = _element(times)
    begins = _moment(kind, value)
    kind, value, _ = _element(rest)
    return begins, _moment(kind, value)


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """Tag, value and what follows."""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    if start + length > len(der):
        raise ValueError("cut off")
    return der[0], der[start : start + length], der[start + length :]


def _moment(kind: int, value: bytes) -> datetime:
    """UTCTime or GeneralizedTime (RFC 5280 4.1.2.5): two-digit years from 50 are of the last century."""
    text = value.decode("ascii")
    if kind == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
