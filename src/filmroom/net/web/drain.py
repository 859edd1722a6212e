"""Answers given before the request's body was read: over HTTP/1.1 the rest is read too, or the answer would be lost.

A connection closed with unread bytes is reset, and a client that writes everything before it reads never sees why
(RFC 9112 9.6). So the answer goes out at once, the rest of the body is thrown away, and only then the answer ends.
"""

import asyncio
import contextlib
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What is read for nothing at most. Whoever sends more learns of the refusal by a broken connection.
DRAIN_BYTES: Final = 256 * 2**20
DRAIN_S: Final = 30.0
# Nothing comes for this long: the client waits for our answer.
STANDSTILL_S: Final = 2.0
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Drained:
    """Lets refusals reach clients that are still sending."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY or scope["http_version"].startswith("2"):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        await self._app(scope, body.receive, _Refusal(body, send).send)


class _Body:
    """The request's body, and whether there is more of it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Throw the rest away, within bounds."""
        read = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while not self.ended and read < DRAIN_BYTES:
                    async with asyncio.timeout(STANDSTILL_S):
                        read += len((await self.receive()).get("body", b""))


class _Refusal:
    """Holds back the end of a refusal until the body is drained; other answers pass."""

    def __init__(self, body: _Body, send: Send) -> None:
        self._body = body
        self._send = send
        self._held = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # 408 says that nothing comes any more.
            self._held = message["status"] >= 400 and message["status"] != 408 and not self._body.ended
            if self._held:
                # Of unknown length, or the server would take the answer for complete and close.
                kept = [each for each in message["headers"] if bytes(each[0]).lower() != b"content-length"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
        elif self._held and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._body.drain()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)
