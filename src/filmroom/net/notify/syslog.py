"""Audit messages to a repository: syslog (RFC 5424) over TLS with octet counting (RFC 5425).

The trail is the spool: a cursor in the database says how far the repository has got, so that nothing is lost while it
is away, over restarts too. The protocol has no acknowledgement: after a lost connection, the last messages go again.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from filmroom.base.errors import FilmroomError
from filmroom.db.background import Background

log = structlog.get_logger()

# Security and authorisation messages (10), notice (5): PS3.15 A.6 names facility 10 and severity 5.
PRIORITY: Final = 10 * 8 + 5
BOM: Final = b"\xef\xbb\xbf"
CONNECT_S: Final = 10.0
SEND_S: Final = 30.0
BATCH: Final = 200
LOOK_S: Final = 1.0
# What may still have been on its way when the connection broke; it is sent again.
IN_FLIGHT: Final = 200
AGAIN_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Outbox(Protocol):
    """Where messages wait, and how far they have gone."""

    async def next(self, limit: int) -> Sequence[tuple[int, datetime, str, bytes]]:
        """Number, time, kind and message of what is to be sent next, oldest first."""
        ...

    async def sent(self, upto: int) -> None:
        """Everything up to this number is gone."""
        ...

    async def back(self, count: int) -> None:
        """The last ``count`` messages may not have arrived: they are to be sent again."""
        ...


def message(at: datetime, host: str, kind: str, body: bytes) -> bytes:
    """One message with its length before it (RFC 5424 6, RFC 5425 4.3)."""
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = f"<{PRIORITY}>1 {time} {_name(host, 255)} filmroom - {_name(kind, 32)} - ".encode("ascii")
    whole = head + BOM + body
    return str(len(whole)).encode("ascii") + b" " + whole


def _name(text: str, most: int) -> str:
    return "".join(c for c in text if "!" <= c <= "~")[:most] or "-"


class SyslogSender(Background):
    """Sends what the outbox has, for as long as it runs."""

    def __init__(
        self,
        outbox: Outbox,
        host: str,
        port: int,
        *,
        tls: Callable[[], ssl.SSLContext],
        name: str,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outbox = outbox
        self._host = host
        self._port = port
        self._tls = tls
        self._name = name
        self._wait = wait
        self.connected = False

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._connected()
            except (OSError, EOFError, TimeoutError, ssl.SSLError, FilmroomError) as error:
                # After the first words of a connection that held, the count begins anew.
                failures = 1 if self.connected else failures + 1
                if self.connected:
                    with contextlib.suppress(FilmroomError):
                        await self._outbox.back(IN_FLIGHT)
                self.connected = False
                log.warning("audit repository is away", error=type(error).__name__, failures=failures)
                await self._wait(AGAIN_S[min(failures, len(AGAIN_S)) - 1])

    async def _connected(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls(), server_hostname=self._host
            )
        # The repository never says anything: what comes is the end.
        ended = asyncio.create_task(reader.read(1))
        try:
            self.connected = True
            while not ended.done():
                batch = await self._outbox.next(BATCH)
                if not batch:
                    await asyncio.wait({ended}, timeout=LOOK_S)
                    continue
                for _, at, kind, body in batch:
                    writer.write(message(at, self._name, kind, body))
                async with asyncio.timeout(SEND_S):
                    await writer.drain()
                await self._outbox.sent(batch[-1][0])
            raise EOFError("the repository closed the connection")
        finally:
            ended.cancel()
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()


def tls_context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, the repository verified; with our certificate where it asks for one. Raises OSError."""
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        context.load_cert_chain(certificate, key or None)
    return context
