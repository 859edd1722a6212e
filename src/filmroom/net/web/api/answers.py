"""Answers of the API: JSON that no cache keeps, times as RFC 3339, and entity tags."""

import hashlib
from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from filmroom.net.web.errors import NO_STORE, Refused

_encoder = msgspec.json.Encoder()


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``body`` (a ``Shape``, or anything msgspec encodes) as JSON."""
    return Response(
        _encoder.encode(body), status, media_type="application/json", headers={**NO_STORE, **(headers or {})}
    )


def tagged(request: Request, body: object, status: int = 200) -> Response:
    """The same with an ETag over its bytes; 304 when the client has it already."""
    tag = etag(body)
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if request.method in {"GET", "HEAD"} and tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return answer(body, status, headers)


def etag(body: object) -> str:
    """The entity tag of a resource in this state."""
    return f'"{hashlib.sha256(_encoder.encode(body)).hexdigest()[:24]}"'


def demand_match(request: Request, body: object | None) -> None:
    """Let a change through when it was made on the present state, or names none (RFC 9110 13.1.1).

    ``body`` is the resource as it would be answered now, None when there is none. Raises Refused (412).
    """
    wanted = request.headers.get("if-match")
    if wanted is None:
        return
    present = set() if body is None else {etag(body), "*"}
    if not present & _tags(wanted):
        raise Refused(412, "it was changed since; read it again, then change it")


def nothing() -> Response:
    """204: done, and there is nothing to say."""
    return Response(status_code=204)


def _tags(header: str) -> set[str]:
    return {part.strip().removeprefix("W/") for part in header.split(",") if part.strip()}
