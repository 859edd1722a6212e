"""What a failed TLS handshake means, from OpenSSL's reasons (openssl/sslerr.h) and alerts (RFC 8446 6.2)."""

import ssl
from collections.abc import Mapping
from typing import Final

# By a part of OpenSSL's reason. The alerts are what the other side said.
_FAULTS: Final[Mapping[str, str]] = {
    "HTTP_REQUEST": "the peer speaks HTTP",
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS",
    "PACKET_LENGTH_TOO_LONG": "the peer does not speak TLS",
    "RECORD_LAYER_FAILURE": "the peer does not speak TLS",
    "RECORD_TOO_SMALL": "the peer does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "the peer's TLS version is older than 1.2",
    "ALERT_PROTOCOL_VERSION": "the peer refuses our TLS versions (1.2 and 1.3)",
    "VERSION_TOO_LOW": "the peer's TLS version is older than 1.2",
    "NO_SHARED_CIPHER": "no cipher suite in common: the peer offers none with ECDHE and AEAD",
    "HANDSHAKE_FAILURE": "the peer found no cipher suite in common, or wants a certificate from us",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer shows no certificate, and one is required",
    "CERTIFICATE_REQUIRED": "the peer requires a certificate from us",
    "UNKNOWN_CA": "the peer does not trust the authority of our certificate",
    "CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
    "CERTIFICATE_UNKNOWN": "the peer does not accept our certificate",
    "BAD_CERTIFICATE": "the peer does not accept our certificate",
}


def handshake_fault(error: BaseException) -> str:
    """Why a handshake failed, in a sentence without its end."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is not accepted: {error.verify_message or error.reason}"
    if isinstance(error, TimeoutError):
        return "the peer does not go through with the TLS handshake"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).upper()
        found = next((words for part, words in _FAULTS.items() if part in reason), None)
        return found or f"TLS: {error.reason or error}"
    if isinstance(error, ConnectionAbortedError) and "took longer" in str(error):
        return "the peer does not go through with the TLS handshake"
    return "the connection was closed during the TLS handshake"
