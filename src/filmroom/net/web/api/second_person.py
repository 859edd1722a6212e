"""``/api/v1/second-person``: what somebody asked for and another has to agree to (security.second_person)."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Moment, Shape, operation
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.second import ACTS, SecondPerson

_ANY = tuple(dict.fromkeys(ACTS.values()))


class AskedFor(Shape):
    """What was asked for. ``act``: delete or rights; ``body`` is what is to be done; ``state``: waiting, done,
    refused."""

    id: int
    act: str
    body: dict[str, Any]
    why: str
    asked_by: str
    asked_name: str
    asked_at: Moment
    expires_at: Moment
    state: str
    by: str
    by_name: str
    at: Moment | None


class AskedForList(Shape):
    """What waits first, then what was decided."""

    asked: list[AskedFor]


class SecondPersonApi:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._keeping = services.keeping

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/second-person", self.list),
            Route("/api/v1/second-person/{pk:int}/agree", self.agree, methods=["POST"]),
            Route("/api/v1/second-person/{pk:int}/refuse", self.refuse, methods=["POST"]),
        ]

    @operation("List what waits for a second person", tag="second person", returns=AskedForList, permission=_ANY)
    async def list(self, request: Request) -> Response:
        found = await self._there().waiting(who(request))
        shown = []
        for each in found:
            row = asdict(each)
            shown.append(AskedFor(id=row.pop("pk"), **row))
        return answer(AskedForList(asked=shown))

    @operation(
        "Agree to what somebody else asked for: it is done",
        tag="second person",
        text="Whoever asked cannot agree. Both need the right to do it.",
        errors=[404, 409],
        permission=_ANY,
    )
    async def agree(self, request: Request) -> Response:
        await self._there().agree(who(request), request.path_params["pk"])
        return Response(status_code=204)

    @operation("Refuse what somebody asked for, or take it back", tag="second person", errors=[404], permission=_ANY)
    async def refuse(self, request: Request) -> Response:
        await self._there().refuse(who(request), request.path_params["pk"])
        return Response(status_code=204)

    def _there(self) -> SecondPerson:
        if self._keeping is None:
            raise NotFound("nothing waits for a second person here")
        return self._keeping.second
