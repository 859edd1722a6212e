"""What an operation of the API promises, written beside its handler: one truth for the documents and the checks.

``@operation`` keeps the promise where ``openapi`` finds it and asks for the permission before the handler runs;
``body_of`` and ``query_of`` read a request into the very shapes that the promise names.
"""

import functools
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, dataclass_transform

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from filmroom.net.web.door import who
from filmroom.security.policy import Action, demand, may

P = ParamSpec("P")
Me = TypeVar("Me")
Handler = Callable[Concatenate[Me, Request, P], Coroutine[Any, Any, Response]]

JSON = "application/json"
# A time as RFC 3339, with its zone.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Shape(msgspec.Struct, frozen=True):
    """What is answered. A field's type is its schema; ``Annotated[..., msgspec.Meta(description=...)]`` says more."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent: a body, or the parameters of a query. A field that is not known is refused, not overlooked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One promise. ``secret``: the answer holds something that is kept nowhere, so no repeat can have it again."""

    summary: str
    tag: str
    text: str
    body: type | None
    query: type | None
    returns: Any
    status: int
    media: str
    errors: tuple[int, ...]
    permissions: tuple[Action, ...]
    tagged: bool
    secret: bool


def operation(
    summary: str,
    *,
    tag: str,
    text: str = "",
    body: type | None = None,
    query: type | None = None,
    returns: Any = None,
    status: int = 0,
    media: str = JSON,
    errors: Iterable[int] = (),
    permission: Action | tuple[Action, ...] | None = None,
    tagged: bool = False,
    secret: bool = False,
) -> Callable[[Handler[Me, P]], Handler[Me, P]]:
    """Describe a handler, and let nobody in who may not.

    ``summary`` is one line in plain words, ``tag`` the resource's name; ``body`` and ``query`` are ``Asked``,
    ``returns`` a ``Shape`` or any type msgspec knows (None: an answer without a body). ``status`` of the good answer is
    200, or 204 without a body, unless said. ``errors`` are the statuses beside those that every operation may give.
    ``permission``: what somebody must be allowed, any one of several. ``tagged``: the answer has an ETag, and a change
    takes If-Match.
    """
    needed = (permission,) if isinstance(permission, Action) else permission or ()
    promise = Operation(
        summary=summary,
        tag=tag,
        text=text,
        body=body,
        query=query,
        returns=returns,
        status=status or (204 if returns is None else 200),
        media=media,
        errors=tuple(errors),
        permissions=needed,
        tagged=tagged,
        secret=secret,
    )

    def describe(handler: Handler[Me, P]) -> Handler[Me, P]:
        async def checked(me: Me, request: Request, /, *args: P.args, **more: P.kwargs) -> Response:
            if needed and not any(may(who(request), each) for each in needed):
                demand(who(request), needed[0])
            return await handler(me, request, *args, **more)

        functools.update_wrapper(checked, handler)
        checked.operation = promise  # type: ignore[attr-defined]
        return checked

    return describe


def promise_of(endpoint: object) -> Operation | None:
    """What a handler promises; None when it was not described."""
    found = getattr(endpoint, "operation", None)
    return found if isinstance(found, Operation) else None
