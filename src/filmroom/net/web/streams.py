"""Long answers: sent as they are made, stopped when nobody listens any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# A client that takes no chunk (at most a megabyte) for this long is cut.
STANDSTILL_S = 60.0
# Short answers are over before a client can go away: only after this many chunks is it worth a task to watch.
WATCH_AFTER = 4


class Stream(Response):
    """An answer of many chunks."""

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        media_type: str,
        size_bytes: int | None = None,
    ) -> None:
        self._chunks = chunks
        self.status_code = status_code
        self.background = None
        fields = {"content-type": media_type, **(headers or {})}
        if size_bytes is not None:
            fields["content-length"] = str(size_bytes)
        self.init_headers(fields)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        try:
            await send(start)
            if scope["method"] != "HEAD":
                await self._send(receive, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            close = getattr(self._chunks, "aclose", None)
            if close is not None:
                await close()

    async def _send(self, receive: Receive, send: Send) -> None:
        gone: asyncio.Task[None] | None = None
        sent = 0
        try:
            async for chunk in self._chunks:
                if sent == WATCH_AFTER:
                    gone = asyncio.create_task(_disconnected(receive))
                if gone is not None and gone.done():
                    raise ClientDisconnect
                async with asyncio.timeout(STANDSTILL_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                sent += 1
        except TimeoutError as error:
            raise ClientDisconnect from error
        finally:
            if gone is not None:
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await gone


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
