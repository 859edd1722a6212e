"""Versions of what is handed out, and whether the client has the present one (RFC 9110 13.1.2)."""

import hashlib
from collections.abc import Sequence

from starlette.requests import Request

from filmroom.archive.retrieve import Located


def weak_etag(items: Sequence[Located], *more: object) -> str:
    """A weak ETag over the objects and ``more``: the same content, whatever boundary or coding carries it."""
    known = hashlib.sha256()
    for item in items:
        known.update(item.digest)
        known.update(repr(item.edit).encode())
    known.update(repr(more).encode())
    return f'W/"{known.hexdigest()[:32]}"'


def unchanged(request: Request, etag: str) -> bool:
    """Whether If-None-Match names ``etag``, compared weakly."""
    asked = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return "*" in asked or etag.removeprefix("W/") in asked
