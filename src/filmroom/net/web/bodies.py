"""Reading request bodies: bounded, never believed about their length, cut off when they stand still."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar, get_args, get_origin

import msgspec
import orjson
from starlette.requests import ClientDisconnect, Request

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.net.web.errors import Misfit, Refused, Unfit
from filmroom.wire.http.mediatypes import parse

# A client that sends nothing for this long is cut (RELIABILITY: a peer is cut within 60 s).
STANDSTILL_S = 45.0
T = TypeVar("T", bound=msgspec.Struct)


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


async def body_of(request: Request, shape: type[T], *, most_bytes: int) -> T:
    """The JSON body as the shape it must have. Raises what ``json_object`` does, and Unfit."""
    return fit(await json_object(request, most_bytes=most_bytes), shape)


def query_of(request: Request, shape: type[T]) -> T:
    """The parameters of the address as the shape they must have. A list is given by repeating its name, or with commas.

    Raises Unfit.
    """
    lists = {field.name for field in msgspec.structs.fields(shape) if _is_list(field.type)}
    values: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name in lists:
            values.setdefault(name, []).extend(part for part in text.split(",") if part)
        elif name in values:
            raise Unfit([Misfit(name, "is given more than once")])
        else:
            values[name] = text
    return fit(values, shape, strict=False, prefix="")


def fit(values: dict[str, Any], shape: type[T], *, strict: bool = True, prefix: str = "/") -> T:
    """``values`` as ``shape``. Raises Unfit with all fields at fault: a client sees them at once, not one by one."""
    misfits, fields = [], {}
    known = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name in values.keys() - known.keys():
        misfits.append(Misfit(prefix + _escaped(name), "is not known here"))
    for name, field in known.items():
        if name not in values:
            if field.required:
                misfits.append(Misfit(prefix + name, "must be given"))
            continue
        if _holds_nul(values[name]):
            misfits.append(Misfit(prefix + name, "holds the character U+0000, which no text here can have"))
            continue
        try:
            fields[field.name] = msgspec.convert(values[name], field.type, strict=strict)
        except msgspec.ValidationError as error:
            sentence, _, path = str(error).partition(" - at `$")
            misfits.append(Misfit(prefix + name + _pointer(path.rstrip("`")), sentence))
    if misfits:
        raise Unfit(sorted(misfits))
    return shape(**fields)


def _holds_nul(value: Any) -> bool:
    """Whether some text in it has a character that the database cannot keep."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(each) for key, each in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def _is_list(kind: Any) -> bool:
    """Whether a list is what is meant: plain, annotated, or one of several."""
    return get_origin(kind) is list or any(_is_list(each) for each in get_args(kind) if get_origin(kind) is not list)


def _pointer(path: str) -> str:
    """msgspec's ``.field[0][...]`` as the rest of a JSON pointer (RFC 6901)."""
    return path.replace("[", "/").replace("]", "").replace(".", "/").replace("/...", "")


def _escaped(name: str) -> str:
    return name[:100].replace("~", "~0").replace("/", "~1")
