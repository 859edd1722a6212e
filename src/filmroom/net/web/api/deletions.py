"""``/api/v1/deletions``: what was deleted, with its reason, and back again while its bytes are kept."""

from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.delete import Deleting, PastDeletion
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

Uid = Annotated[str, Meta(pattern=r"^[0-9.]{1,64}$")]


class DeletionAsked(Asked):
    """What is to go: a study, one series of it, or one object of that."""

    study: Uid
    reason: Annotated[str, Meta(min_length=1, max_length=500, description="The reason, for the journal.")]
    series: Uid | None = None
    instance: Uid | None = None


class DeletionAnswer(Shape):
    """What went. It can be undone until ``final_at``."""

    id: int
    images: int
    final_at: Moment


class DeletionShown(Shape):
    """A deletion as the journal has it. ``undone``: it is back; ``final``: its bytes are given back."""

    id: int
    at: Moment
    who: str
    why: str
    target: str
    study: str
    images: int
    final_at: Moment | None
    undone: bool
    final: bool


class DeletionList(Shape):
    """Deletions, newest first. ``keep_days``: how long one can be undone."""

    deletions: list[DeletionShown]
    keep_days: float


class Undone(Shape):
    """How many objects are back."""

    images: int


class DeletionsAsked(Asked):
    """Which deletions."""

    before: Annotated[int, Meta(ge=1, description="Older than this one.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class Deletions:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._deleting = services.deleting
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/deletions", self.list),
            Route("/api/v1/deletions", self.delete, methods=["POST"]),
            Route("/api/v1/deletions/{pk:int}/undo", self.undo, methods=["POST"]),
        ]

    @operation(
        "List what was deleted",
        tag="deletions",
        query=DeletionsAsked,
        returns=DeletionList,
        permission=Action.DELETE,
    )
    async def list(self, request: Request) -> Response:
        asked = query_of(request, DeletionsAsked)
        found = await self._there().past(who(request), before=asked.before, limit=asked.limit)
        return answer(DeletionList(deletions=[_shown(each) for each in found], keep_days=self._there().keep_days))

    @operation(
        "Delete a study, a series or an object",
        tag="deletions",
        text="It is gone at once for everybody, and can be undone until its bytes are given back.",
        body=DeletionAsked,
        returns=DeletionAnswer,
        status=201,
        errors=[404],
        permission=Action.DELETE,
    )
    async def delete(self, request: Request) -> Response:
        asked = await body_of(request, DeletionAsked, most_bytes=self._most_bytes)
        done = await self._there().delete(
            who(request), asked.study, asked.series, asked.instance, reason=asked.reason.strip()
        )
        return answer(DeletionAnswer(id=done.entry, images=done.instances, final_at=done.final_at), 201)

    @operation(
        "Bring back what a deletion took",
        tag="deletions",
        returns=Undone,
        errors=[404, 409],
        permission=Action.DELETE,
    )
    async def undo(self, request: Request) -> Response:
        return answer(Undone(images=await self._there().undo(who(request), request.path_params["pk"])))

    def _there(self) -> Deleting:
        if self._deleting is None:
            raise NotFound("deleting is not offered here")
        return self._deleting


def _shown(past: PastDeletion) -> DeletionShown:
    return DeletionShown(
        id=past.entry,
        at=past.at,
        who=past.who,
        why=past.why,
        target=past.target,
        study=past.study,
        images=past.instances,
        final_at=past.final_at,
        undone=past.undone,
        final=past.final,
    )
