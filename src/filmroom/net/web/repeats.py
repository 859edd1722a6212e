"""``Idempotency-Key``: a POST below ``/api/v1`` is done once, and its repeats get the same answer (pure ASGI).

It stands behind the door: keys belong to whoever sent them.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmroom.base.errors import FilmroomError
from filmroom.db.repeats import Repeats
from filmroom.net.web.api.describe import promise_of
from filmroom.net.web.bodies import whole
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused, answer

MAX_KEY = 200
# An answer longer than this is not an acknowledgement; it is not kept, and a repeat is refused.
MAX_KEPT_BYTES = 262_144
_KEPT_HEADERS = {"content-type", "etag", "location"}


class OnlyOnce:
    """Do a request with a key once."""

    def __init__(self, app: ASGIApp, repeats: Repeats, routes: Sequence[Route], *, most_bytes: int) -> None:
        self._app = app
        self._repeats = repeats
        self._most_bytes = most_bytes
        self._secret = [
            route.path_regex for route in routes if (promise := promise_of(route.endpoint)) and promise.secret
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        if not key:
            await self._app(scope, receive, send)
            return
        try:
            await self._once(key, scope, receive, send)
        except FilmroomError as error:
            await answer(error)(scope, receive, send)

    async def _once(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        if len(key) > MAX_KEY:
            raise Refused(400, f"an Idempotency-Key has at most {MAX_KEY} characters")
        if any(regex.match(scope["path"]) for regex in self._secret):
            raise Refused(400, "this answer holds a secret that is kept nowhere: send it without Idempotency-Key")
        request = Request(scope, receive)
        principal = who(request).id
        body = await whole(request, most_bytes=self._most_bytes)
        mark = b"\0".join([scope["path"].encode(), scope["query_string"], body])
        earlier = await self._repeats.begin(principal, key, mark)
        if earlier is None:
            await self._first(principal, key, body, scope, receive, send)
        elif not earlier.same:
            raise Refused(422, "this Idempotency-Key came with another request before")
        elif earlier.status is None:
            raise Refused(409, "the first request with this Idempotency-Key is still being done", {"retry-after": "1"})
        else:
            headers = [(name.encode(), value.encode()) for name, value in earlier.headers.items()]
            headers += [(b"idempotency-replayed", b"true"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": earlier.status, "headers": headers})
            await send({"type": "http.response.body", "body": earlier.body})

    async def _first(self, principal: str, key: str, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, parts, size = 0, {}, [], 0
        given = False

        async def receive_body() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            nonlocal status, headers, size
            if message["type"] == "http.response.start":
                status = message["status"]
                named = ((name.decode().lower(), value.decode("latin-1")) for name, value in message["headers"])
                headers = {name: value for name, value in named if name in _KEPT_HEADERS}
            else:
                size += len(message.get("body", b""))
                parts.append(message.get("body", b"") if size <= MAX_KEPT_BYTES else b"")
                if not message.get("more_body", False) and 0 < status < 500 and size <= MAX_KEPT_BYTES:
                    await self._repeats.end(principal, key, status, headers, b"".join(parts))
                    status = -1
            await send(message)

        try:
            await self._app(scope, receive_body, keep)
        finally:
            if status != -1:
                await self._repeats.drop(principal, key)


def _key(scope: Scope) -> str:
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/api/v1/"):
        return ""
    found = next((value for name, value in scope["headers"] if name == b"idempotency-key"), b"")
    text: str = found.decode("latin-1").strip()
    return text
