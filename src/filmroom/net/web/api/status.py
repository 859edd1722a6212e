"""``/api/v1/status``: how the archive is, at no cost worth mentioning."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom import __version__
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Moment, Shape, operation
from filmroom.net.web.api.jobs import QueueAnswer
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.ops.figures import Snapshot
from filmroom.security.policy import Action, may


class StatusDetail(Shape):
    """For administrators. ``counts`` are estimates of the database; ``certificates`` the days each has left."""

    started_at: Moment
    uptime_s: float
    database_version: str
    database_bytes: int
    counts: dict[str, int]
    store_total_bytes: int
    store_free_bytes: int
    queues: list[QueueAnswer]
    quarantined: int
    last_seq: int
    certificates: dict[str, int]
    warnings: list[str]


class StatusAnswer(Shape):
    """How the archive is. ``detail`` is null for whoever may not administer."""

    version: str
    ae_title: str
    detail: StatusDetail | None


class Status:
    """The handler."""

    def __init__(self, services: WebServices) -> None:
        self._figures = services.figures
        self._ae_title = services.settings.dimse.ae_title

    def routes(self) -> list[Route]:
        return [Route("/api/v1/status", self.show)]

    @operation("How the archive is", tag="status", returns=StatusAnswer, permission=Action.VIEW)
    async def show(self, request: Request) -> Response:
        detail = None
        if self._figures is not None and may(who(request), Action.ADMINISTER):
            detail = _detail(await self._figures.take())
        return answer(StatusAnswer(version=__version__, ae_title=self._ae_title, detail=detail))


def _detail(taken: Snapshot) -> StatusDetail:
    queues = [
        QueueAnswer(
            queue=each.queue,
            waiting=each.waiting,
            running=each.running,
            dead=each.dead,
            oldest_due=each.oldest_due,
        )
        for each in taken.queues
    ]
    return StatusDetail(
        started_at=taken.started_at,
        uptime_s=taken.uptime_s,
        database_version=taken.database_version,
        database_bytes=taken.database_bytes,
        counts=dict(taken.counts),
        store_total_bytes=taken.store_total_bytes,
        store_free_bytes=taken.store_free_bytes,
        queues=queues,
        quarantined=taken.quarantined,
        last_seq=taken.last_seq,
        certificates=dict(taken.certificates),
        warnings=list(taken.warnings),
    )
