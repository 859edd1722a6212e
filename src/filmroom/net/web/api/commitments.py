"""``/api/v1/commitments``: storage commitment, asked of us and by us."""

from typing import Literal

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


class CommitmentQuery(Asked):
    """Which requests: ``scp`` asked of us, ``scu`` asked by us, ``web`` asked of us over the web."""

    side: Literal["scp", "scu", "web"] | None = None
    limit: Page = 100


class CommitmentShown(Shape):
    """One request as it stands."""

    id: int
    side: str
    peer: str
    transaction_uid: str
    state: str
    trouble: str
    asked_at: Moment
    finished_at: Moment | None
    total: int
    committed: int
    failed: int


class CommitmentList(Shape):
    """Requests, newest first."""

    commitments: list[CommitmentShown]


class Commitments:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._commitments = services.commitments

    def routes(self) -> list[Route]:
        return [Route("/api/v1/commitments", self.list)]

    @operation(
        "List storage commitment requests",
        tag="commitments",
        query=CommitmentQuery,
        returns=CommitmentList,
        permission=Action.VIEW,
    )
    async def list(self, request: Request) -> Response:
        if self._commitments is None:
            raise NotFound
        wanted = query_of(request, CommitmentQuery)
        found = await self._commitments.transactions(who(request), side=wanted.side, limit=wanted.limit)
        shown = [
            CommitmentShown(
                id=one.pk,
                side=one.side,
                peer=one.peer,
                transaction_uid=one.transaction_uid,
                state=one.state,
                trouble=one.trouble,
                asked_at=one.asked_at,
                finished_at=one.finished_at,
                total=one.total,
                committed=one.committed,
                failed=one.failed,
            )
            for one in found
        ]
        return answer(CommitmentList(commitments=shown))
