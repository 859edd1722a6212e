"""``/api/v1/jobs``: durable work, with how far it is and what went wrong."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.base.errors import NotFound
from filmroom.db.jobs import JobView
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.ops.work import Work, explain
from filmroom.security.policy import Action

State = Literal["waiting", "running", "done", "dead", "cancelled"]


class JobsAsked(Asked):
    """Which jobs."""

    state: Annotated[list[State], Meta(description="In one of these states; `dead` failed for good.")] | None = None
    kind: str | None = None
    queue: str | None = None
    principal: Annotated[str, Meta(description="For whom it acts, `person:7`.")] | None = None
    before: Annotated[int, Meta(ge=1, description="Older than this number (of `next`).")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class JobAnswer(Shape):
    """A job. ``last_error`` is in plain words; ``progress`` and ``body`` depend on the kind."""

    id: int
    kind: str
    queue: str
    state: str
    priority: int
    principal: str
    attempts: int
    max_attempts: int
    progress: Any
    last_error: str | None
    body: dict[str, Any]
    created_at: Moment
    due_at: Moment
    retry_until: Moment | None
    finished_at: Moment | None


class JobList(Shape):
    """Jobs, newest first."""

    jobs: list[JobAnswer]
    next: str | None


class JobChange(Asked):
    """What may be changed of a job that waits."""

    priority: Annotated[int, Meta(ge=-100, le=100, description="Higher goes first.")]


class QueueAnswer(Shape):
    """What is open in a job queue."""

    queue: str
    waiting: int
    running: int
    dead: int
    oldest_due: Moment | None


class QueueList(Shape):
    """Job queues that have something open, or failed for good."""

    queues: list[QueueAnswer]


class Jobs:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._work = services.work
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/jobs", self.show),
            Route("/api/v1/jobs/queues", self.queues),
            Route("/api/v1/jobs/{pk:int}", self.get),
            Route("/api/v1/jobs/{pk:int}", self.change, methods=["PATCH"]),
            Route("/api/v1/jobs/{pk:int}/cancel", self.cancel, methods=["POST"]),
            Route("/api/v1/jobs/{pk:int}/retry", self.retry, methods=["POST"]),
        ]

    @operation(
        "List jobs",
        tag="jobs",
        text="An administrator sees everybody's, others their own. Dead letters are `state=dead`.",
        query=JobsAsked,
        returns=JobList,
    )
    async def show(self, request: Request) -> Response:
        asked = query_of(request, JobsAsked)
        found = await self._there().list(
            who(request),
            states=asked.state,
            kind=asked.kind,
            queue=asked.queue,
            principal=asked.principal,
            before=asked.before,
            limit=asked.limit,
        )
        following = next_page(request, "before", found[-1].pk) if len(found) == asked.limit else None
        return answer(JobList(jobs=[_shape(each) for each in found], next=following))

    @operation("List job queues", tag="jobs", returns=QueueList, permission=(Action.VIEW, Action.ADMINISTER))
    async def queues(self, request: Request) -> Response:
        found = await self._there().depths(who(request))
        return answer(
            QueueList(
                queues=[
                    QueueAnswer(
                        queue=each.queue,
                        waiting=each.waiting,
                        running=each.running,
                        dead=each.dead,
                        oldest_due=each.oldest_due,
                    )
                    for each in found
                ]
            )
        )

    @operation("Show a job", tag="jobs", returns=JobAnswer, errors=[404])
    async def get(self, request: Request) -> Response:
        return answer(_shape(await self._there().get(who(request), request.path_params["pk"])))

    @operation(
        "Change a waiting job's priority",
        tag="jobs",
        body=JobChange,
        returns=JobAnswer,
        errors=[404, 409],
        permission=Action.ADMINISTER,
    )
    async def change(self, request: Request) -> Response:
        asked = await body_of(request, JobChange, most_bytes=self._most_bytes)
        return answer(_shape(await self._there().set_priority(who(request), request.path_params["pk"], asked.priority)))

    @operation("Call a job off", tag="jobs", returns=JobAnswer, errors=[404, 409])
    async def cancel(self, request: Request) -> Response:
        return answer(_shape(await self._there().cancel(who(request), request.path_params["pk"])))

    @operation(
        "Do a dead or cancelled job again",
        tag="jobs",
        returns=JobAnswer,
        errors=[404, 409],
        permission=Action.ADMINISTER,
    )
    async def retry(self, request: Request) -> Response:
        return answer(_shape(await self._there().retry(who(request), request.path_params["pk"])))

    def _there(self) -> Work:
        if self._work is None:
            raise NotFound("jobs are not offered here")
        return self._work


def next_page(request: Request, name: str, value: object) -> str:
    """The address of the next page: this one's, with the place where it ended."""
    kept = [(key, each) for key, each in request.query_params.multi_items() if key != name]
    return f"{request.url.path}?{urlencode([*kept, (name, value)])}"


def _shape(job: JobView) -> JobAnswer:
    return JobAnswer(
        id=job.pk,
        kind=job.kind,
        queue=job.queue,
        state=job.state,
        priority=job.priority,
        principal=job.principal,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        progress=job.progress,
        last_error=explain(job.last_error),
        body=dict(job.body),
        created_at=job.created_at,
        due_at=job.due_at,
        retry_until=job.retry_until,
        finished_at=job.finished_at,
    )
