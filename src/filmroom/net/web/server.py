"""The HTTP server inside our event loop: HTTP/1.1 and cleartext HTTP/2 (docs/decisions/0007)."""

import asyncio
import contextlib
import socket

import structlog
from granian.constants import Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server
from starlette.types import ASGIApp

from filmroom.base.errors import FilmroomError
from filmroom.settings import WebSettings

log = structlog.get_logger()

# Clients that may be connected at once, idle and slow ones included; one costs a few kilobytes.
MAX_CONNECTIONS = 4096
START_S = 30.0
HEADER_TIMEOUT_MS = 20_000


class PortTaken(FilmroomError):
    """The web listener cannot have its address and port."""


class WebServer:
    """One listener. ``start`` returns when it answers; ``stop`` lets running requests end for a while."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._settings = settings
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> int:
        """Begin to listen; the port. Raises PortTaken."""
        host = self._settings.host
        self.port = _free(host, self._settings.port)
        self._server = Server(
            self._app,
            address=host,
            port=self.port,
            interface=Interfaces.ASGINL,
            backlog=1024,
            backpressure=MAX_CONNECTIONS,
            websockets=True,
            log_enabled=False,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
            http2_settings=HTTP2Settings(max_headers_size=65_536, max_frame_size=1 << 18, max_send_buffer_size=1 << 20),
        )
        self._task = asyncio.create_task(self._server.serve())
        async with asyncio.timeout(START_S):
            while not await _answers(host, self.port):
                if self._task.done():
                    raise PortTaken(f"{host}:{self.port} cannot be listened on") from self._task.exception()
        log.info("web listener open", host=host, port=self.port)
        return self.port

    async def stop(self, grace_s: float = 10.0) -> None:
        """End; requests that are still running after ``grace_s`` are cut."""
        if self._server is None or self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]
        done, _ = await asyncio.wait([self._task], timeout=grace_s)
        if not done:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._server = self._task = None
        log.info("web listener closed", port=self.port)


def _free(host: str, port: int) -> int:
    """``port``, or a free one for 0. The server itself would share a port that is in use (SO_REUSEPORT)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} on {host} is in use or not allowed; FILMROOM_HTTP_PORT names another"
            ) from error
        taken: int = probe.getsockname()[1]
        return taken


async def _answers(host: str, port: int) -> bool:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        _, writer = await asyncio.open_connection(reachable, port)
    except OSError:
        await asyncio.sleep(0.01)
        return False
    writer.close()
    return True
