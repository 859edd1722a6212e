"""``/api/v1/corrections`` and ``/api/v1/journal``: attributes set right, patients made one, and who did what."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.corrections import Corrections as UseCases
from filmroom.archive.corrections_model import Entry, Target
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

Why = Annotated[str, Meta(min_length=1, max_length=500, description="The reason, for the journal.")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]


class JournalEntry(Shape):
    """A line of the journal. ``before`` and ``after`` hold DICOM JSON by tag; null: not there."""

    id: int
    at: Moment
    who: str
    why: str
    action: str
    target: str
    before: dict[str, Any]
    after: dict[str, Any]
    undone_by: int | None


class JournalPage(Shape):
    """Entries, newest first."""

    entries: list[JournalEntry]


class CorrectionAsked(Asked):
    """What is to be corrected: attributes by keyword or tag, as text, number, list or DICOM JSON; null removes one."""

    level: Literal["patient", "study", "series", "instance"]
    target: Annotated[Text, Meta(description="The UID, or the Patient ID.")]
    attributes: dict[str, Any]
    why: Why
    issuer: Annotated[str | None, Meta(description="Issuer of the Patient ID, where several have it.")] = None


class MergeAsked(Asked):
    """Two patients that are one."""

    source: Annotated[Text, Meta(description="Patient ID of the one that goes.")]
    into: Annotated[Text, Meta(description="Patient ID of the one that stays.")]
    why: Why
    source_issuer: str | None = None
    into_issuer: str | None = None


class UndoAsked(Asked):
    """Why an entry is taken back."""

    why: Why


class JournalAsked(Asked):
    """Which entries."""

    target: Annotated[str | None, Meta(description="As in an entry: 'study:1.2.3'.")] = None
    before: Annotated[int, Meta(ge=1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


_CHANGING = (Action.EDIT, Action.MERGE)
_READING = (*_CHANGING, Action.ADMINISTER)


class Corrections:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._corrections = services.corrections
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/corrections", self.correct, methods=["POST"]),
            Route("/api/v1/merges", self.merge, methods=["POST"]),
            Route("/api/v1/journal", self.journal),
            Route("/api/v1/journal/{pk:int}", self.entry),
            Route("/api/v1/journal/{pk:int}/undo", self.undo, methods=["POST"]),
        ]

    @operation(
        "Correct attributes of a patient, study, series or instance",
        tag="corrections",
        text="What was received stays as it is; answers, metadata and objects on their way out are corrected.",
        body=CorrectionAsked,
        returns=JournalEntry,
        status=201,
        permission=Action.EDIT,
    )
    async def correct(self, request: Request) -> Response:
        asked = await body_of(request, CorrectionAsked, most_bytes=self._most_bytes)
        made = await self._use.correct(
            who(request), Target(asked.level), asked.target, asked.attributes, why=asked.why, issuer=asked.issuer
        )
        return answer(_shown(made), 201)

    @operation(
        "Make two patients one",
        tag="corrections",
        body=MergeAsked,
        returns=JournalEntry,
        status=201,
        permission=Action.MERGE,
    )
    async def merge(self, request: Request) -> Response:
        asked = await body_of(request, MergeAsked, most_bytes=self._most_bytes)
        issuers = (asked.source_issuer, asked.into_issuer)
        made = await self._use.merge(who(request), asked.source, asked.into, why=asked.why, issuers=issuers)
        return answer(_shown(made), 201)

    @operation(
        "Show the journal of changes",
        tag="corrections",
        query=JournalAsked,
        returns=JournalPage,
        permission=_READING,
    )
    async def journal(self, request: Request) -> Response:
        asked = query_of(request, JournalAsked)
        found = await self._use.journal(who(request), target=asked.target, before=asked.before, limit=asked.limit)
        return answer(JournalPage(entries=[_shown(each) for each in found]))

    @operation("Show one entry of the journal", tag="corrections", returns=JournalEntry, permission=_READING)
    async def entry(self, request: Request) -> Response:
        return answer(_shown(await self._use.entry(who(request), request.path_params["pk"])))

    @operation(
        "Undo an entry of the journal",
        tag="corrections",
        body=UndoAsked,
        returns=JournalEntry,
        status=201,
        errors=(409,),
        permission=_CHANGING,
    )
    async def undo(self, request: Request) -> Response:
        asked = await body_of(request, UndoAsked, most_bytes=self._most_bytes)
        return answer(_shown(await self._use.undo(who(request), request.path_params["pk"], why=asked.why)), 201)

    @property
    def _use(self) -> UseCases:
        if self._corrections is None:
            raise NotFound
        return self._corrections


def _shown(entry: Entry) -> JournalEntry:
    return JournalEntry(
        id=entry.pk,
        at=entry.at,
        who=entry.who,
        why=entry.why,
        action=entry.action,
        target=entry.target,
        before=_plain(entry.before),
        after=_plain(entry.after),
        undone_by=entry.undone_by,
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)
