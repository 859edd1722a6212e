"""``/api/v1/local-aes``: the AE titles that the archive answers to, each with its rules and its view."""

from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices_local import LocalAe, LocalAes, NoSuchLocalAe, described
from filmroom.base.errors import NotFound
from filmroom.base.ids import AeTitle
from filmroom.net.web.api.answers import answer, demand_match, nothing, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.devices import title_of, told
from filmroom.net.web.bodies import json_object
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

Rules = Annotated[
    dict[str, Any], Meta(description="Keys of what is offered and seen there; absent ones mean defaults.")
]


class LocalAeAnswer(Shape):
    """An AE title of the archive. ``stored`` is false while it stands in the settings alone."""

    ae_title: str
    description: str
    enabled: bool
    policy: Rules
    stored: bool
    changed_at: Moment | None


class LocalAeList(Shape):
    """All of them, that of the settings first."""

    local_aes: list[LocalAeAnswer]


class LocalAeAsked(Asked):
    """An AE title as it is to be."""

    description: Annotated[str, Meta(max_length=200)] = ""
    enabled: bool = True
    policy: Rules | None = None


class Locals:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._found = services.local_aes
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        one = "/api/v1/local-aes/{title}"
        return [
            Route("/api/v1/local-aes", self.show),
            Route(one, self.get),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
        ]

    @operation("List our AE titles", tag="devices", returns=LocalAeList, permission=Action.ADMINISTER)
    async def show(self, request: Request) -> Response:
        return answer(LocalAeList(local_aes=[_shape(each) for each in await self._aes.list()]))

    @operation(
        "One AE title of ours",
        tag="devices",
        returns=LocalAeAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def get(self, request: Request) -> Response:
        return tagged(request, _shape(await self._aes.get(title_of(request))))

    @operation(
        "Answer to an AE title, or change how",
        tag="devices",
        body=LocalAeAsked,
        returns=LocalAeAnswer,
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def put(self, request: Request) -> Response:
        title = title_of(request)
        body = await json_object(request, most_bytes=self._most_bytes)
        expected = await self._expected(request, title)
        with told():
            made = await self._aes.replace(title, body, expected=expected, who=who(request))
        return tagged(request, _shape(made))

    @operation(
        "Change an AE title of ours",
        tag="devices",
        text="A JSON merge patch (RFC 7396).",
        body=LocalAeAsked,
        returns=LocalAeAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def patch(self, request: Request) -> Response:
        title = title_of(request)
        body = await json_object(request, most_bytes=self._most_bytes)
        expected = await self._expected(request, title)
        with told():
            made = await self._aes.patch(title, body, expected=expected, who=who(request))
        return tagged(request, _shape(made))

    @operation("Answer to an AE title no more", tag="devices", errors=[404], permission=Action.ADMINISTER, tagged=True)
    async def remove(self, request: Request) -> Response:
        title = title_of(request)
        expected = await self._expected(request, title)
        with told():
            await self._aes.remove(title, expected=expected, who=who(request))
        return nothing()

    @property
    def _aes(self) -> LocalAes:
        if self._found is None:
            raise NotFound
        return self._found

    async def _expected(self, request: Request, title: AeTitle) -> int | None:
        if "if-match" not in request.headers:
            return None
        try:
            present = await self._aes.get(title)
        except NoSuchLocalAe:
            present = None
        demand_match(request, None if present is None else _shape(present))
        return 0 if present is None else present.version


def _shape(local: LocalAe) -> LocalAeAnswer:
    return LocalAeAnswer(**described(local), stored=local.version > 0, changed_at=local.changed_at)
