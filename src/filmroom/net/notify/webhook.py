"""The way out to webhooks: one POST over HTTP/1.1, to an address that may be reached and to no other.

The guard against being used to reach what only this machine can reach (server-side request forgery): the host is
resolved here, every address it has must be public or in a network that the settings allow, and the connection goes to
the very address that was judged. Redirects are answers like any other: nothing follows them.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from filmroom import __version__
from filmroom.integration.webhooks_model import AddressRefused, NotDelivered, Receipt

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

TIMEOUT_S = 15.0
# Status line and headers of an answer; its body is not read.
MAX_HEAD_BYTES = 16_384
# Interim answers (1xx) before the real one.
MAX_INTERIM = 4

# Addresses that carry another inside: what is judged must be what is reached.
_CARRIERS = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)


def networks(text: str) -> tuple[Network, ...]:
    """Networks separated by commas. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def may_reach(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether a webhook may go there: a public address, or one of a network that is allowed."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast and not any(address in each for each in _CARRIERS)


class WebhookClient:
    """Posts events."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        timeout_s: float = TIMEOUT_S,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._tls = tls

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """The receiver's answer. Raises AddressRefused, NotDelivered."""
        parts = urlsplit(url)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._exchange(parts, headers, body)
        except TimeoutError:
            raise NotDelivered(f"the receiver did not answer within {self._timeout_s:g} s") from None
        except ssl.SSLError as error:
            raise NotDelivered(f"TLS with the receiver failed: {error.reason or 'no common ground'}") from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise NotDelivered(f"the receiver cannot be reached: {type(error).__name__}") from error
        return Receipt(status, round((time.monotonic() - started) * 1000))

    async def _exchange(self, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> int:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        tls = self._tls() if parts.scheme == "https" else None
        address = await self._address(host, port)
        reader, writer = await asyncio.open_connection(
            str(address), port, limit=MAX_HEAD_BYTES, ssl=tls, server_hostname=host if tls is not None else None
        )
        try:
            writer.write(_request(parts, headers, body))
            await writer.drain()
            for _ in range(MAX_INTERIM):
                status = _status(await reader.readuntil(b"\r\n\r\n"))
                if status >= 200:
                    return status
            raise ValueError("only interim answers")
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    async def _address(self, host: str, port: int) -> Address:
        """The address to connect to, once every address of the host was judged."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        if not addresses or not all(may_reach(each, self._allowed) for each in addresses):
            raise AddressRefused("the address is private or this machine's own; feed.webhook_networks allows networks")
        return addresses[0]


def _request(parts: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {
        "Host": parts.netloc,
        "User-Agent": f"Filmroom/{__version__}",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def _status(head: bytes) -> int:
    """The status of an answer's head. Raises ValueError."""
    version, _, rest = head.partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit() or rest[3:4] not in {b" ", b"\r"}:
        raise ValueError("not an HTTP answer")
    return int(code)
