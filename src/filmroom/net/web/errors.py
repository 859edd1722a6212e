"""Faults as problem+json (RFC 9457): one table from the classes of ``base.errors`` to statuses."""

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from filmroom.archive.changes import TooOld
from filmroom.archive.corrections_model import CannotUndo
from filmroom.archive.deidentification import BadExport, ProjectExists
from filmroom.archive.delete import DeletionOver
from filmroom.archive.devices_model import NotAsked
from filmroom.base.errors import (
    Corrupt,
    FilmroomError,
    Forbidden,
    LimitReached,
    NoSpace,
    NotFound,
    NotReadable,
    RemoteFault,
    Retry,
    Unavailable,
    Unsupported,
)
from filmroom.integration.webhooks_model import BadWebhook
from filmroom.ops.work import WrongState
from filmroom.security.breakglass import BadGlass
from filmroom.security.duties import DutiesClash
from filmroom.security.model import AccountLocked, LastAdministrator, NameTaken, SignInRefused
from filmroom.security.passwords import PasswordRefused
from filmroom.security.roles_book import BadRole, RoleInUse
from filmroom.security.second import Waits
from filmroom.security.shares import BadShare, ShareRefused

log = structlog.get_logger()

RETRY_AFTER_S = 5

STATUS: Mapping[type[FilmroomError], int] = {
    NotFound: 404,
    Forbidden: 403,
    SignInRefused: 401,
    AccountLocked: 429,
    LastAdministrator: 409,
    PasswordRefused: 422,
    NameTaken: 409,
    CannotUndo: 409,
    DeletionOver: 409,
    DutiesClash: 409,
    Waits: 202,
    NotReadable: 400,
    LimitReached: 413,
    RemoteFault: 400,
    Unsupported: 406,
    NotAsked: 409,
    NoSpace: 507,
    Unavailable: 503,
    Corrupt: 500,
    WrongState: 409,
    TooOld: 410,
    BadWebhook: 422,
    BadRole: 422,
    RoleInUse: 409,
    BadGlass: 422,
    BadShare: 422,
    ShareRefused: 404,
    BadExport: 422,
    ProjectExists: 409,
    FilmroomError: 500,
}

TITLES: Mapping[int, str] = {
    202: "It waits for a second person",
    400: "The request cannot be understood",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "None of the asked representations can be given",
    408: "The request took too long",
    409: "Conflict",
    410: "It is gone",
    412: "It was changed since",
    413: "The request is too large",
    414: "The address is too long",
    415: "The request's media type is not supported",
    416: "The range cannot be given",
    422: "The values cannot be used",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Not available now",
    507: "No space left",
}


class Refused(FilmroomError):
    """A request that is answered with this very status."""

    def __init__(self, status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


class Misfit(NamedTuple):
    """One value that cannot be used: where it stands (a JSON pointer, or a parameter's name), and why not."""

    pointer: str
    detail: str


class Unfit(Refused):
    """Values cannot be used; every one of them is named."""

    def __init__(self, misfits: Sequence[Misfit]) -> None:
        super().__init__(422, "; ".join(f"{each.pointer.lstrip('/')}: {each.detail}" for each in misfits))
        self.misfits = misfits


def problem(status: int, detail: str = "", headers: Mapping[str, str] | None = None, **more: object) -> Response:
    """A problem+json answer. ``detail`` is for people and never holds a patient's data."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status}
    if detail:
        body["detail"] = detail
    fields = {**NO_STORE, **(headers or {})}
    return Response(orjson.dumps(body | more), status, media_type="application/problem+json", headers=fields)


NO_STORE = {"cache-control": "no-store"}


def status_of(error: FilmroomError) -> int:
    """The status of a fault."""
    if isinstance(error, Refused):
        return error.status
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(error: FilmroomError) -> Response:
    """The answer to a fault that a use case raised."""
    status = status_of(error)
    headers = dict(error.headers or {}) if isinstance(error, Refused) else {}
    if status == 503 or error.retry is Retry.SAFE:
        headers.setdefault("retry-after", str(RETRY_AFTER_S))
    if status >= 500:
        log.warning("request failed", error=type(error).__name__, status=status)
    # Our own words only: the text of an internal fault may name files or hosts.
    sentence = str(error) if status < 500 else ""
    more: dict[str, object] = {"errors": [each._asdict() for each in error.misfits]} if isinstance(error, Unfit) else {}
    if isinstance(error, Waits):
        more |= {"waits": error.number}
    return problem(status, sentence or (type(error).__doc__ or "").strip(), headers, **more)


async def on_fault(_: Request, error: Exception) -> Response:
    assert isinstance(error, FilmroomError)
    return answer(error)


async def on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["allow"] = ", ".join(_methods_at(request))
    return problem(error.status_code, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """Every method that the address has: its routes are several, and the router names those of the first."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


async def on_anything(_: Request, error: Exception) -> Response:
    """A fault of ours. The answer carries a number that is also in the log, and nothing else."""
    if isinstance(error, ClientDisconnect):
        log.info("client left before the end of the answer")
        return problem(408)
    number = secrets.token_hex(6)
    log.error("request crashed", incident=number, exc_info=error)
    return problem(500, incident=number)


HANDLERS = {FilmroomError: on_fault, HTTPException: on_http, Exception: on_anything}
