"""``/healthz``: the process answers. ``/readyz``: it can do its work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from filmroom.base.errors import FilmroomError

CHECK_S = 5.0
Check = Callable[[], Awaitable[None]]


class Health:
    """Answers for load balancers and service managers. A check raises when its part is not fit."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def alive(self, request: Request) -> Response:
        return _answer(200, {"status": "ok"})

    async def ready(self, request: Request) -> Response:
        names = list(self._checks)
        fit = await asyncio.gather(*(self._fit(self._checks[name]) for name in names))
        parts = {name: "ok" if each else "failed" for name, each in zip(names, fit, strict=True)}
        return _answer(200 if all(fit) else 503, {"status": "ok" if all(fit) else "failed", "checks": parts})

    async def _fit(self, check: Check) -> bool:
        try:
            async with asyncio.timeout(CHECK_S):
                await check()
        except (FilmroomError, OSError, TimeoutError):
            return False
        return True


def _answer(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json", headers={"cache-control": "no-store"})
