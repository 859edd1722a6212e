"""Nobody gets in by default: who asks is known before any route is looked at (pure ASGI)."""

import asyncio
import base64
import binascii
import dataclasses
import hashlib
import hmac
import secrets
from typing import Protocol
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.net.web.errors import answer, problem
from filmroom.security.model import AccountLocked, Owes, SignedIn, SignInRefused
from filmroom.security.people import People
from filmroom.security.principals import Principal
from filmroom.security.remembered import Remembered

COOKIE = "filmroom"
GUEST_COOKIE = "filmroom_share"
OPEN_PATHS = frozenset({"/login", "/healthz", "/readyz", "/favicon.ico", "/robots.txt"})
OPEN_FOLDERS = ("/static/", "/login/", "/share/")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY = "filmroom.signed_in"
_OWED = {
    Owes.FACTOR: "the second factor is still to be shown, on the login page",
    Owes.PASSWORD: "the one-time or expired password must be changed first, on the login page",
    Owes.ENROLMENT: "a second factor must be set up first, on the login page",
}


def who(request: Request) -> Principal:
    """Who makes this request; every route behind the door has one."""
    return signed_in(request).principal


def signed_in(request: Request) -> SignedIn:
    """The same, with what they still owe."""
    found = request.scope[_KEY]
    assert isinstance(found, SignedIn)
    return found


def principal_of(scope: Scope) -> Principal:
    """The same of any scope behind the door, a WebSocket's for instance."""
    found = scope[_KEY]
    assert isinstance(found, SignedIn)
    return found.principal


class Guests(Protocol):
    """People without an account, who opened a share link."""

    async def find(self, cookie: str) -> SignedIn | None: ...


class Door:
    """Let a request through with its principal, or turn it away."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        people: People,
        clock: Clock,
        public_url: str = "",
        guests: Guests | None = None,
    ) -> None:
        self._app = app
        self._guests = guests
        self._people = people
        self._clock = clock
        self._public_host = urlsplit(public_url).netloc
        # Programs that send name and password with every request: a check takes 50 ms, so one lasts seconds.
        self._basic: Remembered[SignedIn] = Remembered(clock)
        self._basic_key = secrets.token_bytes(32)
        self._checking: dict[bytes, asyncio.Task[SignedIn]] = {}
        people.accounts.on_change.append(self._basic.clear)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            return
        turned_away = await self._turn_away(scope)
        if turned_away is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})  # before it is accepted: 403
            return
        if turned_away is not None:
            await turned_away(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _turn_away(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        path: str = scope["path"]
        # A page of another site may open a WebSocket with the browser's cookies: it is no safe method.
        if scope.get("method", "") not in SAFE_METHODS and _crosses_sites(headers, self._public_host):
            return problem(403, "the request comes from another site")
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
            return None
        try:
            found = await self._find(scope, headers)
        except AccountLocked as error:
            wait = max(1, round((error.until - self._clock.now()).total_seconds()))
            return problem(429, str(error), {"retry-after": str(wait)})
        except SignInRefused as error:
            return _challenge(headers, str(error))
        except FilmroomError as error:
            return answer(error)
        if found is None:
            return _to_login(scope, headers) if _navigates(scope, headers) else _challenge(headers, "")
        if found.owes is not Owes.NOTHING and path != "/logout":
            return _to_login(scope, headers) if _navigates(scope, headers) else problem(403, _OWED[found.owes])
        scope[_KEY] = dataclasses.replace(
            found, principal=dataclasses.replace(found.principal, door="web", address=peer_of(scope))
        )
        return None

    async def _find(self, scope: Scope, headers: Headers) -> SignedIn | None:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "":
                cookie = session_cookie(headers)
                if cookie:
                    return await self._people.sessions.find(cookie)
                # Whoever opened a share link and has no session of their own.
                guest = session_cookie(headers, GUEST_COOKIE)
                return await self._guests.find(guest) if guest and self._guests is not None else None
            case "bearer":
                return await self._people.tokens.find(credentials.strip(), peer_of(scope))
            case "basic":
                return await self._by_password(credentials.strip(), peer_of(scope))
            case _:
                return None

    async def _by_password(self, credentials: str, peer: str) -> SignedIn:
        key = hmac.new(self._basic_key, credentials.encode(), hashlib.sha256).digest()
        if (known := self._basic.get(key)) is not None:
            return known
        # Requests that come together are one attempt, not one each: else a right password could lock its account.
        if (task := self._checking.get(key)) is None:
            task = self._checking[key] = asyncio.create_task(self._check(credentials, peer))
            task.add_done_callback(lambda done: self._checked(key, done))
        return await asyncio.shield(task)

    def _checked(self, key: bytes, done: asyncio.Task[SignedIn]) -> None:
        del self._checking[key]
        if not done.cancelled() and done.exception() is None:
            self._basic.put(key, done.result())

    async def _check(self, credentials: str, peer: str) -> SignedIn:
        try:
            name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise SignInRefused("the Authorization header cannot be read") from None
        if not colon:
            raise SignInRefused("the Authorization header cannot be read")
        account = await self._people.identify(name, password, peer, "basic")
        return SignedIn(
            principal=await self._people.dress(account.principal()),
            must_change=account.must_change,
            owes=self._people.sessions.owes(account, "basic"),
            method="basic",
        )


def peer_of(scope: Scope) -> str:
    """The address that a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def session_cookie(headers: Headers, called: str = COOKIE) -> str:
    """The session's cookie, '' without one."""
    for each in headers.get("cookie", "").split(";"):
        name, _, value = each.strip().partition("=")
        if name == called:
            return value
    return ""


def safe_next(target: str) -> str:
    """Where to go after signing in: a path of this site, whatever was asked."""
    parts = urlsplit(target)
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    if not plain or any(c < " " or c == "\\" for c in target) or parts.path in {"/login", "/logout"}:
        return "/"
    return target


def _crosses_sites(headers: Headers, public_host: str) -> bool:
    """Whether a browser made this request for another site's page; programs send neither header."""
    site = headers.get("sec-fetch-site", "")
    if site:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin", "")
    # A page without a place (a sandbox) says "null", which is no site of ours either.
    return bool(origin) and (urlsplit(origin).netloc or origin) not in {headers.get("host", ""), public_host}


def _navigates(scope: Scope, headers: Headers) -> bool:
    if scope.get("method", "") not in {"GET", "HEAD"} or scope["path"].startswith(("/dicom-web/", "/api/")):
        return False
    mode = headers.get("sec-fetch-mode", "")
    return mode == "navigate" if mode else "text/html" in headers.get("accept", "")


def _to_login(scope: Scope, headers: Headers) -> Response:
    query = scope["query_string"].decode("latin-1")
    target = quote(scope["path"], safe="/") + (f"?{query}" if query else "")
    suffix = f"?next={quote(target, safe='')}" if target != "/" else ""
    return RedirectResponse(f"/login{suffix}", 303, headers={"cache-control": "no-store"})


def _challenge(headers: Headers, detail: str) -> Response:
    response = problem(401, detail)
    response.headers.append("www-authenticate", 'Bearer realm="Filmroom"')
    # A browser would put up a box of its own over the viewer.
    if "sec-fetch-mode" not in headers:
        response.headers.append("www-authenticate", 'Basic realm="Filmroom", charset="UTF-8"')
    return response
