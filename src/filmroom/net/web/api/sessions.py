"""``/api/v1/sessions`` and ``/api/v1/me``'s own password and factors: what somebody decides about their own account."""

from dataclasses import asdict
from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.base.errors import Forbidden
from filmroom.net.web.api.accounts import Ended, Secret
from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import peer_of, signed_in, who
from filmroom.net.web.ports import WebServices
from filmroom.security.model import Account, SignInRefused


class Session(Shape):
    """A session that is open. ``method`` is how it was opened: password, code, passkey, oidc."""

    id: int
    account: str
    created_at: Moment
    last_seen: Moment
    expires_at: Moment
    peer: Annotated[str, Meta(description="The address it was opened from.")]
    agent: Annotated[str, Meta(description="What the browser called itself.")]
    method: str
    present: Annotated[bool, Meta(description="Whether it is the one that asks.")]


class SessionList(Shape):
    """Open sessions, the last used first."""

    sessions: list[Session]


class SessionsQuery(Asked):
    """Whose sessions."""

    everybody: Annotated[bool, Meta(description="All accounts'; needs leave to administer accounts.")] = False


class PasswordChange(Asked):
    """One's own new password."""

    old: Secret
    new: Secret


class Passkey(Shape):
    """A passkey."""

    id: int
    label: str
    created_at: Moment
    last_used: Moment | None


class Factors(Shape):
    """What protects one's own account beside the password. They are set up at ``/login/factors``."""

    authenticator: bool
    recovery_codes_left: int
    passkeys: list[Passkey]


class Proof(Asked):
    """The present password, again: a session left open must not be enough."""

    password: Secret = ""


class SessionsApi:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._people = services.people
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/sessions", self.show),
            Route("/api/v1/sessions", self.end_others, methods=["DELETE"]),
            Route("/api/v1/sessions/{pk:int}", self.end, methods=["DELETE"]),
            Route("/api/v1/me/password", self.change_password, methods=["PUT"]),
            Route("/api/v1/me/factors", self.factors),
            Route("/api/v1/me/factors/authenticator/removal", self.remove_authenticator, methods=["POST"]),
            Route("/api/v1/me/factors/passkeys/{pk:int}/removal", self.remove_passkey, methods=["POST"]),
        ]

    @operation("List open sessions", tag="sessions", query=SessionsQuery, returns=SessionList)
    async def show(self, request: Request) -> Response:
        asked = query_of(request, SessionsQuery)
        rows = await self._people.sessions.list(who(request), everybody=asked.everybody)
        here = signed_in(request).session
        found = [asdict(row) for row in rows]
        return answer(
            SessionList(sessions=[Session(id=(pk := row.pop("pk")), present=pk == here, **row) for row in found])
        )

    @operation("End a session", tag="sessions", errors=[404])
    async def end(self, request: Request) -> Response:
        await self._people.sessions.end(who(request), request.path_params["pk"])
        return nothing()

    @operation("End every other session of one's own", tag="sessions", returns=Ended)
    async def end_others(self, request: Request) -> Response:
        ended = await self._people.sessions.end_all(who(request), keep=signed_in(request).session)
        return answer(Ended(ended=ended))

    @operation(
        "Change one's own password",
        tag="sessions",
        text="Every other session of the account ends.",
        body=PasswordChange,
        errors=[429],
    )
    async def change_password(self, request: Request) -> Response:
        asked = await body_of(request, PasswordChange, most_bytes=self._most_bytes)
        account = await self._proved(request, asked.old)
        await self._people.accounts.replace_password(account, asked.new, keep_session=signed_in(request).session)
        return nothing()

    @operation("One's own second factors", tag="sessions", returns=Factors)
    async def factors(self, request: Request) -> Response:
        asking = who(request)
        account = await self._people.accounts.get(asking, asking.name)
        keys = [
            Passkey(id=row.pk, label=row.label, created_at=row.created_at, last_used=row.last_used)
            for row in await self._people.passkeys.list(asking)
        ]
        left = await self._people.totp.recovery_left(account)
        return answer(Factors(authenticator=account.has_totp, recovery_codes_left=left, passkeys=keys))

    @operation("Take away one's own authenticator", tag="sessions", body=Proof, errors=[429])
    async def remove_authenticator(self, request: Request) -> Response:
        asked = await body_of(request, Proof, most_bytes=self._most_bytes)
        await self._proved(request, asked.password)
        await self._people.totp.remove(who(request), who(request).name)
        return nothing()

    @operation("Remove a passkey of one's own", tag="sessions", body=Proof, errors=[404, 429])
    async def remove_passkey(self, request: Request) -> Response:
        asked = await body_of(request, Proof, most_bytes=self._most_bytes)
        await self._proved(request, asked.password)
        await self._people.passkeys.remove(who(request), request.path_params["pk"])
        return nothing()

    async def _proved(self, request: Request, password: str) -> Account:
        """The account, its password given again. Raises Forbidden (a 401 would ask the browser to sign in anew)."""
        asking = who(request)
        if asking.only is not None:
            raise Forbidden("a token cannot change how its account signs in")
        account = await self._people.accounts.get(asking, asking.name)
        if account.provider not in {"", "ldap"}:
            return account
        try:
            await self._people.sign_in.by_password(account.name, password, peer_of(request.scope))
        except SignInRefused as refused:
            raise Forbidden("the present password is wrong, or locked for a while") from refused
        return account
