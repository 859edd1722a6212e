"""Guessing is slow: an address that keeps failing to sign in is turned away for a while, whatever names it tries.

Only failures count, so that a ward behind one address is not locked out by its own traffic. (One account is locked by
``security.accounts`` after its own wrong passwords, from wherever they come.)
"""

from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmroom.net.web.errors import problem

# Failures that one address may have at once, and how many a second it is forgiven.
BURST = 60
FORGIVEN_PER_S = 0.5
# Addresses remembered; beyond it the one that failed longest ago is forgotten.
MAX_ADDRESSES = 10_000


class SlowGuessing:
    """Answers 429 to whoever failed too often."""

    def __init__(self, app: ASGIApp, monotonic: Callable[[], float], *, burst: int = BURST) -> None:
        self._app = app
        self._monotonic = monotonic
        self._burst = burst
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _shows_who(scope):
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("", 0))[0]
        excess = self._count(address) - self._burst
        if excess >= 0:
            wait = int((excess + 1) / FORGIVEN_PER_S) + 1
            refusal = problem(429, "too many attempts to sign in from this address", {"retry-after": str(wait)})
            await refusal(scope, receive, send)
            return

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                self._failed(address)
            await send(message)

        await self._app(scope, receive, watch)

    def _count(self, address: str) -> float:
        count, at = self._failures.get(address, (0.0, 0.0))
        return max(0.0, count - (self._monotonic() - at) * FORGIVEN_PER_S)

    def _failed(self, address: str) -> None:
        self._failures[address] = (self._count(address) + 1, self._monotonic())
        self._failures.move_to_end(address)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)


def _shows_who(scope: Scope) -> bool:
    """Whether a request tries to say who it is from: the login form, or credentials in a header."""
    if scope["path"] == "/login":
        return bool(scope["method"] == "POST")
    return any(name == b"authorization" for name, _ in scope["headers"])
