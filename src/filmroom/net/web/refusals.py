"""What is refused is on record too, and what is changed through the API by whomever (pure ASGI).

Every 403 behind the door is recorded with who asked for what. So is every change that went well and of which no use
case has told itself: nobody has to remember to record a new one.
"""

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmroom.archive.safekeeping import Safekeeping
from filmroom.base.errors import Unavailable
from filmroom.net.web.door import SAFE_METHODS, principal_of
from filmroom.security.audit import NOTED, SERIOUS_FAILURE, SUCCESS, AuditKind, about

# Changed with an entry of the journal, which the trail takes over with what was changed and why.
JOURNALED = ("/api/v1/corrections", "/api/v1/merges", "/api/v1/journal", "/api/v1/orders", "/api/v1/deletions")
# Asked with a body, and changing nothing.
ASKING = ("/api/v1/audit/verification", "/api/v1/rules/trial", "/api/v1/worklist")


class Refusals:
    """Sees answers go by. A path names studies and resources; what was searched for is not in it."""

    def __init__(self, app: ASGIApp, keeping: Safekeeping) -> None:
        self._app = app
        self._keeping = keeping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 403:
                    await self._record(scope, AuditKind.REFUSED, SERIOUS_FAILURE)
                elif status < 400 and _changes(scope) and not NOTED.get():
                    await self._record(scope, AuditKind.CONFIGURED, SUCCESS)
            await send(message)

        token = NOTED.set([])
        try:
            await self._app(scope, receive, seen)
        finally:
            NOTED.reset(token)

    async def _record(self, scope: Scope, kind: AuditKind, outcome: int) -> None:
        path: str = scope["path"]
        detail = {"target": path.split("/")[3].rstrip("s") + ":"} if kind is AuditKind.CONFIGURED else {}
        event = about(
            principal_of(scope),
            kind,
            self._keeping.clock.now(),
            what=f"{scope['method']} {path}"[:500],
            outcome=outcome,
            detail=detail,
        )
        with contextlib.suppress(Unavailable):
            await self._keeping.trail.record(event)


def _changes(scope: Scope) -> bool:
    path: str = scope["path"]
    return (
        scope["method"] not in SAFE_METHODS
        and path.startswith("/api/v1/")
        and not path.startswith(JOURNALED)
        and not path.startswith(ASKING)
    )
