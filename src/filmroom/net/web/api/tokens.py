"""``/api/v1/tokens``: bearer tokens for programs."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

MAX_TOKEN_DAYS = 3650


class Token(Shape):
    """A token as listed: never its text."""

    id: int
    account: str
    label: str
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    actions: Annotated[list[str] | None, Meta(description="null: all that the account may.")]
    last_used: Moment | None
    last_peer: str


class TokenList(Shape):
    """Tokens, one's own; an administrator sees everybody's."""

    tokens: list[Token]


class TokenAsked(Asked):
    """A token to be issued. Without ``account`` it acts as whoever asks."""

    account: str | None = None
    label: Annotated[str, Meta(max_length=200)] = ""
    actions: Annotated[list[Action] | None, Meta(description="What it may do at most; absent: all.")] = None
    days: Annotated[int, Meta(ge=1, le=MAX_TOKEN_DAYS, description="How long it lasts.")] = 365


class TokenIssued(Shape):
    """The token's text: shown once, kept nowhere."""

    token: str


class Tokens:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._tokens = services.tokens
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/tokens", self.show),
            Route("/api/v1/tokens", self.issue, methods=["POST"]),
            Route("/api/v1/tokens/{pk:int}", self.revoke, methods=["DELETE"]),
        ]

    @operation("List tokens", tag="tokens", returns=TokenList)
    async def show(self, request: Request) -> Response:
        rows = [asdict(row) for row in await self._tokens.list(who(request))]
        return answer(TokenList(tokens=[_shape(row) for row in rows]))

    @operation(
        "Issue a token", tag="tokens", body=TokenAsked, returns=TokenIssued, status=201, errors=[404], secret=True
    )
    async def issue(self, request: Request) -> Response:
        asking = who(request)
        asked = await body_of(request, TokenAsked, most_bytes=self._most_bytes)
        account = asking.name if asked.account is None else asked.account
        text = await self._tokens.issue(
            asking, account, label=asked.label, lasts=timedelta(days=asked.days), actions=asked.actions
        )
        return answer(TokenIssued(token=text), 201)

    @operation("Revoke a token", tag="tokens", errors=[404])
    async def revoke(self, request: Request) -> Response:
        await self._tokens.revoke(who(request), request.path_params["pk"])
        return nothing()


def _shape(row: dict[str, Any]) -> Token:
    actions = row.pop("actions")
    return Token(id=row.pop("pk"), actions=None if actions is None else sorted(actions), **row)
