"""What is refused is on record too: every 403 behind the door, with who asked for what (pure ASGI)."""

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmroom.archive.safekeeping import Safekeeping
from filmroom.base.errors import Unavailable
from filmroom.net.web.door import principal_of
from filmroom.security.audit import SERIOUS_FAILURE, AuditKind, about


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
            if message["type"] == "http.response.start" and message["status"] == 403:
                with contextlib.suppress(Unavailable):
                    await self._record(scope)
            await send(message)

        await self._app(scope, receive, seen)

    async def _record(self, scope: Scope) -> None:
        what = f"{scope['method']} {scope['path']}"[:500]
        event = about(
            principal_of(scope), AuditKind.REFUSED, self._keeping.clock.now(), what=what, outcome=SERIOUS_FAILURE
        )
        await self._keeping.trail.record(event)
