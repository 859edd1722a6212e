"""``/api/v1/accounts``: people and programs that sign in, for whoever administers them."""

from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.net.web.api.answers import answer, demand_match, nothing, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Misfit, Unfit
from filmroom.net.web.ports import WebServices
from filmroom.security.model import Account
from filmroom.security.policy import Action

Roles = Annotated[list[str], Meta(max_length=50, description="Names of roles.")]
DisplayName = Annotated[str, Meta(max_length=200, description="The name people read.")]
Secret = Annotated[str, Meta(max_length=1024)]


class AccountAnswer(Shape):
    """An account. ``provider`` is '' where this archive keeps its password, else who vouches for it."""

    id: Annotated[str, Meta(description="As roles are given to it, person:7.")]
    name: str
    display_name: str
    roles: list[str]
    enabled: bool
    provider: str
    must_change: bool
    authenticator: bool
    passkeys: int
    last_administrator: bool
    created_at: Moment
    last_sign_in: Moment | None
    password_at: Moment | None
    locked_until: Moment | None


class AccountList(Shape):
    """All accounts, by name."""

    accounts: list[AccountAnswer]


class AccountAsked(Asked):
    """An account to be made. Without ``password`` a one-time password is made."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    roles: Roles
    display_name: DisplayName = ""
    password: Secret = ""


class AccountPatch(Asked):
    """What of an account is to change."""

    display_name: DisplayName | None = None
    roles: Roles | None = None
    enabled: bool | None = None


class OneTimePassword(Shape):
    """A password that is shown once, runs out, and must be changed at the first sign-in; '' where one was given."""

    one_time_password: str


class Ended(Shape):
    """How many sessions were ended."""

    ended: int


class AccountsApi:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._people = services.people
        self._accounts = services.people.accounts
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        one = "/api/v1/accounts/{name}"
        return [
            Route("/api/v1/accounts", self.show),
            Route("/api/v1/accounts", self.add, methods=["POST"]),
            Route(one, self.get),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one + "/password-reset", self.reset, methods=["POST"]),
            Route(one + "/unlock", self.unlock, methods=["POST"]),
            Route(one + "/factors", self.remove_factors, methods=["DELETE"]),
            Route(one + "/sessions", self.end_sessions, methods=["DELETE"]),
        ]

    @operation("List accounts", tag="accounts", returns=AccountList, permission=Action.SECURITY)
    async def show(self, request: Request) -> Response:
        accounts = await self._accounts.list(who(request))
        return answer(AccountList(accounts=[account_shape(each) for each in accounts]))

    @operation(
        "Add an account",
        tag="accounts",
        body=AccountAsked,
        returns=OneTimePassword,
        status=201,
        errors=[409],
        permission=Action.SECURITY,
        secret=True,
    )
    async def add(self, request: Request) -> Response:
        asked = await body_of(request, AccountAsked, most_bytes=self._most_bytes)
        try:
            _, one_time = await self._accounts.add(
                who(request),
                asked.name,
                roles=asked.roles,
                password=asked.password,
                display_name=asked.display_name,
            )
        except ValueError as error:
            raise Unfit([Misfit("/roles" if "role" in str(error) else "/name", str(error))]) from error
        return answer(OneTimePassword(one_time_password=one_time or ""), 201)

    @operation(
        "One account", tag="accounts", returns=AccountAnswer, errors=[404], permission=Action.SECURITY, tagged=True
    )
    async def get(self, request: Request) -> Response:
        return tagged(request, account_shape(await self._accounts.get(who(request), _name(request))))

    @operation(
        "Change an account",
        tag="accounts",
        text="Closing an account ends its sessions and tokens. The last administrator stays one, and open.",
        body=AccountPatch,
        returns=AccountAnswer,
        errors=[404, 409],
        permission=Action.SECURITY,
        tagged=True,
    )
    async def patch(self, request: Request) -> Response:
        asked = await body_of(request, AccountPatch, most_bytes=self._most_bytes)
        asking, name = who(request), _name(request)
        demand_match(request, account_shape(await self._accounts.get(asking, name)))
        if asked.roles is not None:
            try:
                await self._accounts.set_roles(asking, name, asked.roles)
            except ValueError as error:
                raise Unfit([Misfit("/roles", str(error))]) from error
        if asked.enabled is not None:
            await self._accounts.set_enabled(asking, name, asked.enabled)
        if asked.display_name is not None:
            await self._accounts.set_display_name(asking, name, asked.display_name)
        return tagged(request, account_shape(await self._accounts.get(asking, name)))

    @operation(
        "Replace a forgotten password by a one-time password",
        tag="accounts",
        text="Every session of the account ends, and a lock after wrong passwords too.",
        returns=OneTimePassword,
        errors=[404, 409],
        permission=Action.SECURITY,
        secret=True,
    )
    async def reset(self, request: Request) -> Response:
        try:
            made = await self._accounts.reset_password(who(request), _name(request))
        except ValueError as error:
            raise Unfit([Misfit("/name", str(error))]) from error
        return answer(OneTimePassword(one_time_password=made))

    @operation("Forget an account's wrong attempts", tag="accounts", errors=[404], permission=Action.SECURITY)
    async def unlock(self, request: Request) -> Response:
        await self._accounts.unlock(who(request), _name(request))
        return nothing()

    @operation(
        "Take away the second factors of somebody who lost them",
        tag="accounts",
        errors=[404],
        permission=Action.SECURITY,
    )
    async def remove_factors(self, request: Request) -> Response:
        await self._people.totp.remove(who(request), _name(request))
        await self._people.passkeys.remove_all(who(request), _name(request))
        return nothing()

    @operation(
        "End every session of an account", tag="accounts", returns=Ended, errors=[404], permission=Action.SECURITY
    )
    async def end_sessions(self, request: Request) -> Response:
        return answer(Ended(ended=await self._people.sessions.end_all(who(request), _name(request))))


def account_shape(account: Account) -> AccountAnswer:
    """An account as it is shown: never its password."""
    return AccountAnswer(
        id=f"person:{account.pk}",
        name=account.name,
        display_name=account.display_name,
        roles=sorted(account.roles),
        enabled=account.enabled,
        provider=account.provider,
        must_change=account.must_change,
        authenticator=account.has_totp,
        passkeys=account.passkeys,
        last_administrator=account.last_administrator,
        created_at=account.created_at,
        last_sign_in=account.last_sign_in,
        password_at=account.password_at,
        locked_until=account.locked_until,
    )


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name
