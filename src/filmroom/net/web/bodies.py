"""Reading request bodies: bounded, never believed about their length, cut off when they stand still."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.net.web.errors import Refused
from filmroom.wire.http.mediatypes import parse

# A client that sends nothing for this long is cut (RELIABILITY: a peer is cut within 60 s).
STANDSTILL_S = 45.0


async def chunks(request: Request, *, most_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises LimitReached, Refused (408 when it stands still, 415 when compressed),
    ClientDisconnect when the client went away before its end."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise Refused(415, f"a body with content coding {coding[:20]!r} is not taken", {"accept-encoding": "identity"})
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise LimitReached(f"the body is longer than {most_bytes} bytes")
    received = 0
    while True:
        message = await _next(request)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body: bytes = message.get("body", b"")
        received += len(body)
        if received > most_bytes:
            raise LimitReached(f"the body is longer than {most_bytes} bytes")
        if body:
            yield body
        if not message.get("more_body", False):
            return


async def _next(request: Request) -> Any:
    try:
        async with asyncio.timeout(STANDSTILL_S):
            return await request.receive()
    except TimeoutError:
        raise Refused(408, "the body stands still", {"connection": "close"}) from None


async def whole(request: Request, *, most_bytes: int) -> bytes:
    """A short body as one piece."""
    return b"".join([chunk async for chunk in chunks(request, most_bytes=most_bytes)])


async def json_object(request: Request, *, most_bytes: int) -> dict[str, Any]:
    """A JSON object sent as application/json. Raises NotReadable, LimitReached, Refused."""
    if parse(request.headers.get("content-type") or "none/none").name != "application/json":
        raise Refused(415, "send application/json")
    try:
        value = orjson.loads(await whole(request, most_bytes=most_bytes))
    except orjson.JSONDecodeError as error:
        raise NotReadable("the body is not JSON") from error
    if not isinstance(value, dict):
        raise NotReadable("the body is not a JSON object")
    return value


def text_field(values: dict[str, Any], name: str, default: str | None = None) -> str:
    """A string of a JSON object. Raises NotReadable when it is missing or something else."""
    value = values.get(name, default)
    if not isinstance(value, str):
        raise NotReadable(f"{name} must be given as text")
    return value
