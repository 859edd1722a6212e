"""``/api/v1/performed-steps``: what modalities said they did (MPPS)."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.orders import Page
from filmroom.net.web.bodies import query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action


class PerformedQuery(Asked):
    """Which performed steps."""

    status: str = ""
    study_uid: str = ""
    source: str = ""
    before: int | None = None
    limit: Page = 100


class PerformedShown(Shape):
    """A performed step. ``remarks``: unscheduled, no-such-step, other-patient."""

    id: int
    sop_uid: str
    status: str
    station: str
    source: str
    study_uids: list[str]
    remarks: list[str]
    version: int
    created_at: Moment
    updated_at: Moment


class PerformedPage(Shape):
    """A page, newest first; ``next`` is the ``before`` of the following one."""

    steps: list[PerformedShown]
    next: int | None


class Performed:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._performed = services.performed

    def routes(self) -> list[Route]:
        return [Route("/api/v1/performed-steps", self.list)]

    @operation(
        "List performed procedure steps",
        tag="performed-steps",
        query=PerformedQuery,
        returns=PerformedPage,
        permission=Action.VIEW,
    )
    async def list(self, request: Request) -> Response:
        if self._performed is None:
            raise NotFound
        wanted = query_of(request, PerformedQuery)
        found = await self._performed.listed(
            who(request),
            status=wanted.status,
            study_uid=wanted.study_uid,
            source=wanted.source,
            before=wanted.before,
            limit=wanted.limit + 1,
        )
        page = [
            PerformedShown(
                id=one.pk,
                sop_uid=one.sop_uid,
                status=one.status,
                station=one.station,
                source=one.source,
                study_uids=one.study_uids,
                remarks=one.remarks,
                version=one.version,
                created_at=one.created_at,
                updated_at=one.updated_at,
            )
            for one in found[: wanted.limit]
        ]
        return answer(PerformedPage(steps=page, next=page[-1].id if len(found) > wanted.limit else None))
