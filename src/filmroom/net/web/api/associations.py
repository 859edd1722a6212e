"""``/api/v1/associations``: what is open now over all processes, and ending one."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices_live import Listed, LiveList
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Moment, Shape, operation
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action


class AssociationAnswer(Shape):
    """An open association. ``inbound``: the peer opened it; ``operation`` is '' while nothing is asked."""

    id: str
    inbound: bool
    peer: str
    calling_ae: str
    called_ae: str
    opened_at: Moment
    active_at: Moment
    operation: str
    messages_in: int
    messages_out: int
    pdus_in: int
    pdus_out: int
    bytes_in: int
    bytes_out: int
    objects_in: int
    objects_out: int


class AssociationList(Shape):
    """The oldest first, as of two seconds ago at most."""

    associations: list[AssociationAnswer]


class Associations:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._found = services.live

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/associations", self.show),
            Route("/api/v1/associations/{id}", self.abort, methods=["DELETE"]),
        ]

    @operation("List open associations", tag="associations", returns=AssociationList, permission=Action.ADMINISTER)
    async def show(self, request: Request) -> Response:
        return answer(AssociationList(associations=[_shape(each) for each in await self._live.list(who(request))]))

    @operation(
        "Abort an association",
        tag="associations",
        text="Answered when it has ended; 503 when its process has not said so in time.",
        errors=[404, 503],
        permission=Action.ADMINISTER,
    )
    async def abort(self, request: Request) -> Response:
        if not await self._live.abort(who(request), request.path_params["id"]):
            raise Refused(503, "the association has not ended yet")
        return nothing()

    @property
    def _live(self) -> LiveList:
        if self._found is None:
            raise NotFound
        return self._found


def _shape(listed: Listed) -> AssociationAnswer:
    return msgspec.convert({**_fields(listed), "id": listed.name}, AssociationAnswer)


def _fields(listed: Listed) -> dict[str, object]:
    return {field: getattr(listed.live, field) for field in AssociationAnswer.__struct_fields__ if field != "id"}
