"""``/api/v1/quarantine``: what could not be filed."""

from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.model import Outcome
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import NO_STORE
from filmroom.net.web.ports import Quarantine as UseCases
from filmroom.net.web.ports import WebServices
from filmroom.net.web.streams import Stream
from filmroom.security.policy import Action

DICOM = "application/dicom"


class Held(Shape):
    """An object in quarantine."""

    id: int
    at: Moment
    door: str
    source: str
    reason: str
    detail: str
    sop_uid: str | None
    size_bytes: int


class HeldList(Shape):
    """What waits in quarantine."""

    items: list[Held]


class Decided(Shape):
    """What became of an object: new, already, conflict, quarantined, refused, no-space or unavailable."""

    result: str
    sop_uid: str
    comment: str


class ReleaseAsked(Asked):
    """Attributes to set right before the object is filed, by keyword or tag; null removes one."""

    attributes: dict[str, Any]
    why: Annotated[str, Meta(min_length=1, max_length=500)]


class DiscardAsked(Asked):
    """Why the object is given up."""

    why: Annotated[str, Meta(min_length=1, max_length=500)]


class Quarantine:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._quarantine = services.quarantine
        self._ingest = services.ingest
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        one = "/api/v1/quarantine/{pk:int}"
        return [
            Route("/api/v1/quarantine", self.show),
            Route(f"{one}/file", self.file),
            Route(f"{one}/requeue", self.requeue, methods=["POST"]),
            Route(f"{one}/release", self.release, methods=["POST"]),
            Route(f"{one}/discard", self.discard, methods=["POST"]),
        ]

    @operation("List what could not be filed", tag="quarantine", returns=HeldList, permission=Action.ADMINISTER)
    async def show(self, request: Request) -> Response:
        if self._quarantine is None:
            raise NotFound
        entries = await self._quarantine.list(who(request))
        held = [
            Held(
                id=each.pk,
                at=each.at,
                door=each.door,
                source=each.source,
                reason=each.reason,
                detail=each.detail,
                sop_uid=each.sop_uid or None,
                size_bytes=each.where.size_bytes,
            )
            for each in entries
        ]
        return answer(HeldList(items=held))

    @operation(
        "Download an object as it was kept",
        tag="quarantine",
        returns=bytes,
        media=DICOM,
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def file(self, request: Request) -> Response:
        pk = request.path_params["pk"]
        entry = await self._use.get(who(request), pk)
        named = {"content-disposition": f'attachment; filename="quarantine-{pk}.dcm"'}
        chunks = self._use.read(who(request), pk)
        return Stream(chunks, headers={**NO_STORE, **named}, media_type=DICOM, size_bytes=entry.where.size_bytes)

    @operation("Try once more to file an object", tag="quarantine", returns=Decided, permission=Action.ADMINISTER)
    async def requeue(self, request: Request) -> Response:
        return _decided(await self._use.requeue(who(request), request.path_params["pk"], self._ingest))

    @operation(
        "File an object with attributes set right",
        tag="quarantine",
        text="The bytes that came stay for a while, and the journal says what was changed.",
        body=ReleaseAsked,
        returns=Decided,
        permission=Action.ADMINISTER,
    )
    async def release(self, request: Request) -> Response:
        asked = await body_of(request, ReleaseAsked, most_bytes=self._most_bytes)
        pk = request.path_params["pk"]
        return _decided(await self._use.release(who(request), pk, self._ingest, asked.attributes, why=asked.why))

    @operation("Give an object up", tag="quarantine", body=DiscardAsked, permission=Action.DELETE)
    async def discard(self, request: Request) -> Response:
        asked = await body_of(request, DiscardAsked, most_bytes=self._most_bytes)
        await self._use.discard(who(request), request.path_params["pk"], why=asked.why)
        return nothing()

    @property
    def _use(self) -> UseCases:
        if self._quarantine is None:
            raise NotFound
        return self._quarantine


def _decided(outcome: Outcome) -> Response:
    return answer(Decided(result=outcome.result.value, sop_uid=outcome.sop_uid, comment=outcome.comment))
