"""``/api/v1/me``: who asks, and what they may do."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Shape, operation
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action, may


class MeAnswer(Shape):
    """The account that is signed in."""

    name: str
    display_name: str
    roles: list[str]
    may: list[str]


class Me:
    """The handler."""

    def __init__(self, services: WebServices) -> None:
        self._accounts = services.accounts

    def routes(self) -> list[Route]:
        return [Route("/api/v1/me", self.show)]

    @operation("Who is signed in, and what they may do", tag="me", returns=MeAnswer)
    async def show(self, request: Request) -> Response:
        asking = who(request)
        account = await self._accounts.get(asking, asking.name)
        actions = sorted(action.value for action in Action if may(asking, action))
        return answer(
            MeAnswer(name=account.name, display_name=account.display_name, roles=sorted(account.roles), may=actions)
        )
