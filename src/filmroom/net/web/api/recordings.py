"""``/api/v1/recordings``: what was said on each association, and the file for a vendor."""

from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.recordings import MAX_VALUE_HOURS, Recorded, Recordings
from filmroom.archive.recordings_text import as_file
from filmroom.base.errors import NotFound
from filmroom.base.ids import ae_title
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.jobs import next_page
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import NO_STORE, Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action


class RecordingAnswer(Shape):
    """The head of a recording. ``failures``: answers with a failure status, of either side."""

    id: int
    opened_at: Moment
    outgoing: bool
    standing: bool
    peer: str
    calling_ae: str
    called_ae: str
    tls: bool
    outcome: str
    reason: str
    messages: int
    failures: int
    bytes_in: int
    bytes_out: int
    seconds: float


class RecordingList(Shape):
    """Recordings, newest first."""

    recordings: list[RecordingAnswer]
    next: str | None


class RecordingWhole(Shape):
    """A recording with negotiation, messages and end, patient data masked."""

    head: RecordingAnswer
    body: dict[str, Any]


class RecordingsAsked(Asked):
    """Which recordings."""

    ae_title: Annotated[str, Meta(description="Calling or called.")] | None = None
    failed: Annotated[bool, Meta(description="Only those that ended badly or hold a failure.")] = False
    before: Annotated[int, Meta(ge=1, description="Older than this number (of `next`).")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class RecordingAsked(Asked):
    """``values``: with the values of query keys, where they were recorded."""

    values: bool = False


class ValuesAsked(Asked):
    """For how long the values of a device's query keys are recorded too; 0 ends it."""

    hours: Annotated[float, Meta(ge=0, le=MAX_VALUE_HOURS)]


class ValuesAnswer(Shape):
    """Until when."""

    ae_title: str
    until: Moment


class RecordingsResource:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._recordings = services.recordings
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/recordings", self.show),
            Route("/api/v1/recordings/{pk:int}", self.get),
            Route("/api/v1/recordings/{pk:int}/file", self.file),
            Route("/api/v1/devices/{title}/record-values", self.record_values, methods=["POST"]),
        ]

    @operation(
        "List recorded associations",
        tag="recordings",
        query=RecordingsAsked,
        returns=RecordingList,
        permission=Action.ADMINISTER,
    )
    async def show(self, request: Request) -> Response:
        asked = query_of(request, RecordingsAsked)
        found = await self._there().list(
            who(request), ae_title=asked.ae_title, failed=asked.failed, before=asked.before, limit=asked.limit
        )
        following = next_page(request, "before", found[-1].pk) if len(found) == asked.limit else None
        return answer(RecordingList(recordings=[_head(each) for each in found], next=following))

    @operation(
        "Show what was said on an association",
        tag="recordings",
        query=RecordingAsked,
        returns=RecordingWhole,
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def get(self, request: Request) -> Response:
        asked = query_of(request, RecordingAsked)
        head, body = await self._there().show(who(request), request.path_params["pk"], values=asked.values)
        return answer(RecordingWhole(head=_head(head), body=body))

    @operation(
        "Download a recording as one file for a vendor",
        tag="recordings",
        text="Text, then the same as JSON; patient data masked.",
        returns=str,
        media="text/plain",
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def file(self, request: Request) -> Response:
        head, body = await self._there().show(who(request), request.path_params["pk"])
        named = {"content-disposition": f'attachment; filename="association-{head.pk}.txt"'}
        return Response(as_file(head, body), media_type="text/plain", headers={**NO_STORE, **named})

    @operation(
        "Record the values of a device's query keys for some hours",
        tag="recordings",
        text="They are patient data: they show only where they are asked for, never in the file for a vendor.",
        body=ValuesAsked,
        returns=ValuesAnswer,
        permission=Action.ADMINISTER,
    )
    async def record_values(self, request: Request) -> Response:
        asked = await body_of(request, ValuesAsked, most_bytes=self._most_bytes)
        try:
            title = ae_title(request.path_params["title"])
        except ValueError as error:
            raise Refused(422, str(error)) from error
        return answer(
            ValuesAnswer(ae_title=title, until=await self._there().record_values(who(request), title, asked.hours))
        )

    def _there(self) -> Recordings:
        if self._recordings is None:
            raise NotFound("recordings are not offered here")
        return self._recordings


def _head(each: Recorded) -> RecordingAnswer:
    return RecordingAnswer(
        id=each.pk, **{name: getattr(each, name) for name in RecordingAnswer.__struct_fields__ if name != "id"}
    )
