"""The port for TLS: a connection is secured first and then is the association's channel, as on the plain port."""

import asyncio
import socket
from collections.abc import Callable

import structlog

from filmroom.net.dimse.channel import Channel
from filmroom.net.dimse.tls import SHUTDOWN_TIMEOUT_S, Certificates
from filmroom.net.dimse.tls_words import handshake_fault

log = structlog.get_logger()

# Connections in the middle of their handshake; one costs about 60 kB.
MAX_HANDSHAKES = 200

# Accepting fails when no file can be opened: it is tried again after this long.
BREATHER_S = 0.5


class TlsDoor:
    """Accepts connections, each with the certificates that are in force at that moment."""

    def __init__(
        self,
        certificates: Certificates,
        accept: Callable[[], Channel],
        *,
        timeout_s: float,
        on_failed: Callable[[str, str], None] | None = None,
    ) -> None:
        """``on_failed`` is told the peer's address and, in words, why its handshake came to nothing."""
        self._certificates = certificates
        self._accept = accept
        self._timeout_s = timeout_s
        self._on_failed = on_failed
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._shaking: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1]) if self._listening is not None else 0

    def open(self, host: str, port: int, *, backlog: int, reuse_port: bool) -> None:
        """Begin to listen. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, port), family=family, backlog=backlog, reuse_port=reuse_port)
        self._listening.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._run(self._listening))

    async def close(self) -> None:
        """Accept no more; drop what is still in its handshake."""
        tasks = [*self._shaking, *([self._accepting] if self._accepting is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def _run(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                line, address = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("no connection could be accepted", reason=error.strerror)
                await asyncio.sleep(BREATHER_S)
                continue
            if len(self._shaking) >= MAX_HANDSHAKES:
                log.warning("connection dropped: too many TLS handshakes at a time", count=len(self._shaking))
                line.close()
                continue
            task = loop.create_task(self._secure(line, str(address[0])))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)

    async def _secure(self, line: socket.socket, peer: str) -> None:
        channel = self._accept()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: channel,
                line,
                ssl=self._certificates.server(),
                ssl_handshake_timeout=self._timeout_s,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        except (OSError, TimeoutError) as error:
            channel.connection_lost(None)  # it never began
            self._failed(peer, error)
        except asyncio.CancelledError:
            channel.connection_lost(None)
            raise

    def _failed(self, peer: str, error: Exception) -> None:
        why = handshake_fault(error)
        log.info("TLS handshake failed", peer=peer, reason=why)
        if self._on_failed is not None:
            self._on_failed(peer, why)
