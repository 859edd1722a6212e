"""``/api/v1/exports`` and ``/api/v1/deidentification-projects``: studies taken out, as they are or de-identified."""

from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from filmroom.archive.deidentification import Project, template_of
from filmroom.archive.export import Export, Exports
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.jobs import next_page
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.net.web.proxies import below, prefix_of
from filmroom.security.policy import Action

_TEXT = """A de-identified export follows PS3.15 Annex E: the basic profile and the options of its project, with UIDs,
Patient IDs and dates that are the same for the same original within a project and of no use in another. What cannot be
de-identified (documents, voices, pictures with text burned in at an unknown place) is withheld and named."""

Uids = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=10_000)]


class ExportAsked(Asked):
    """What is taken out, where to and why."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000, description="Why; it is recorded.")]
    kind: Literal["zip", "folder", "device"] = "zip"
    destination: Annotated[str, Meta(max_length=100, description="AE title, or name of the folder.")] = ""
    studies: Uids = []  # noqa: RUF012
    series: Uids = []  # noqa: RUF012
    instances: Uids = []  # noqa: RUF012
    project: Annotated[str, Meta(max_length=200, description="De-identified for this project.")] | None = None
    trust_pixels: Annotated[bool, Meta(description="Somebody has looked: nothing is burned in.")] = False


class ExportAnswer(Shape):
    """An export. ``report``: attribute -> what was done -> how often; ``file``: where the ZIP file is had."""

    id: int
    kind: str
    destination: str
    state: str
    principal: str
    reason: str
    project: str | None
    total: int
    written: int
    withheld: int
    failed: int
    size_bytes: int
    report: dict[str, dict[str, int]]
    file: str | None
    job_id: int | None
    trouble: str
    created_at: Moment
    finished_at: Moment | None
    removed_at: Moment | None


class ExportList(Shape):
    """Exports, newest first."""

    exports: list[ExportAnswer]
    next: str | None


class LeftOutAnswer(Shape):
    """An object that is not in the export, and why."""

    study_uid: str
    sop_uid: str
    state: str
    comment: str


class LeftOutList(Shape):
    """Objects that are not in the export."""

    objects: list[LeftOutAnswer]


class ExportsAsked(Asked):
    """Which exports."""

    study: Annotated[str, Meta(max_length=64, description="Of this study: who took it out.")] | None = None
    before: Annotated[int, Meta(ge=1, description="Older than this number (of `next`).")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class TemplateShape(Asked):
    """Where text is burned in: for objects for which `when` holds, rectangles of left, top, width, height in pixels."""

    when: Annotated[str, Meta(max_length=2000)]
    black: list[Annotated[list[int], Meta(min_length=4, max_length=4)]]


class ProjectAsked(Asked):
    """A new project."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    options: Annotated[
        list[str], Meta(max_length=20, description="Options of PS3.15 E.3, `retain-uids` and so on.")
    ] = []  # noqa: RUF012
    prefix: Annotated[str, Meta(max_length=16, description="Of Patient IDs; empty: ANON.")] = ""
    templates: Annotated[list[TemplateShape], Meta(max_length=200)] = []  # noqa: RUF012


class ProjectAnswer(Shape):
    """A project; its secret is shown to nobody."""

    name: str
    options: list[str]
    prefix: str
    templates: list[dict[str, Any]]
    created_by: str
    created_at: Moment


class ProjectList(Shape):
    """All projects, by name."""

    projects: list[ProjectAnswer]


class ExportsApi:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._exports = services.exports
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        one = "/api/v1/exports/{pk:int}"
        return [
            Route("/api/v1/exports", self.show),
            Route("/api/v1/exports", self.order, methods=["POST"]),
            Route(one, self.get),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/cancel", self.cancel, methods=["POST"]),
            Route(f"{one}/left-out", self.left_out),
            Route(f"{one}/file", self.file),
            Route("/api/v1/deidentification-projects", self.projects),
            Route("/api/v1/deidentification-projects", self.add_project, methods=["POST"]),
        ]

    @operation(
        "List exports",
        tag="exports",
        text="An administrator sees everybody's, others their own. " + _TEXT,
        query=ExportsAsked,
        returns=ExportList,
        permission=Action.EXPORT,
    )
    async def show(self, request: Request) -> Response:
        asked = query_of(request, ExportsAsked)
        found = await self._there().listed(who(request), study=asked.study, before=asked.before, limit=asked.limit)
        following = next_page(request, "before", found[-1].pk) if len(found) == asked.limit else None
        return answer(ExportList(exports=[_shape(request, each) for each in found], next=following))

    @operation(
        "Export studies, series or instances",
        tag="exports",
        text=_TEXT,
        body=ExportAsked,
        returns=ExportAnswer,
        status=202,
        errors=[404, 422],
        permission=Action.EXPORT,
    )
    async def order(self, request: Request) -> Response:
        asked = await body_of(request, ExportAsked, most_bytes=self._most_bytes)
        exports = self._there()
        pk = await exports.order(
            who(request),
            asked.kind,
            asked.destination,
            studies=asked.studies,
            series=asked.series,
            instances=asked.instances,
            reason=asked.reason,
            project=asked.project,
            trust_pixels=asked.trust_pixels,
        )
        made = await exports.get(who(request), pk)
        return answer(_shape(request, made), 202, {"location": f"/api/v1/exports/{pk}"})

    @operation("Show an export", tag="exports", returns=ExportAnswer, errors=[404], permission=Action.EXPORT)
    async def get(self, request: Request) -> Response:
        return answer(_shape(request, await self._there().get(who(request), request.path_params["pk"])))

    @operation(
        "Show what is not in an export", tag="exports", returns=LeftOutList, errors=[404], permission=Action.EXPORT
    )
    async def left_out(self, request: Request) -> Response:
        found = await self._there().left_out(who(request), request.path_params["pk"])
        shown = [
            LeftOutAnswer(study_uid=each.study_uid, sop_uid=each.sop_uid, state=each.state, comment=each.comment)
            for each in found
        ]
        return answer(LeftOutList(objects=shown))

    @operation("Call an export off", tag="exports", returns=ExportAnswer, errors=[404], permission=Action.EXPORT)
    async def cancel(self, request: Request) -> Response:
        pk = request.path_params["pk"]
        await self._there().cancel(who(request), pk)
        return answer(_shape(request, await self._there().get(who(request), pk)))

    @operation(
        "Fetch the ZIP file", tag="exports", status=200, media="application/zip", errors=[404], permission=Action.EXPORT
    )
    async def file(self, request: Request) -> Response:
        path = await self._there().file(who(request), request.path_params["pk"])
        headers = {"cache-control": "private, no-store"}
        return FileResponse(path, media_type="application/zip", filename=path.name, headers=headers)

    @operation("Delete an export's ZIP file", tag="exports", errors=[404], status=204, permission=Action.EXPORT)
    async def remove(self, request: Request) -> Response:
        await self._there().remove(who(request), request.path_params["pk"])
        return nothing()

    @operation("List de-identification projects", tag="exports", returns=ProjectList, permission=Action.EXPORT)
    async def projects(self, request: Request) -> Response:
        found = await self._there().projects.listed(who(request))
        return answer(ProjectList(projects=[_project(each) for each in found]))

    @operation(
        "Add a de-identification project",
        tag="exports",
        body=ProjectAsked,
        returns=ProjectAnswer,
        status=201,
        errors=[409, 422],
        permission=Action.ADMINISTER,
    )
    async def add_project(self, request: Request) -> Response:
        asked = await body_of(request, ProjectAsked, most_bytes=self._most_bytes)
        templates = [template_of({"when": each.when, "black": each.black}) for each in asked.templates]
        made = await self._there().projects.add(
            who(request), asked.name, options=asked.options, prefix=asked.prefix, templates=templates
        )
        return answer(_project(made), 201)

    def _there(self) -> Exports:
        if self._exports is None:
            raise NotFound("exports are not offered here")
        return self._exports


def _shape(request: Request, export: Export) -> ExportAnswer:
    return ExportAnswer(
        id=export.pk,
        kind=export.kind,
        destination=export.destination,
        state=export.state,
        principal=export.principal,
        reason=export.reason,
        project=export.project,
        total=export.total,
        written=export.written,
        withheld=export.withheld,
        failed=export.failed,
        size_bytes=export.size_bytes,
        report={name: dict(counts) for name, counts in export.report.items()},
        file=below(prefix_of(request.scope), f"/api/v1/exports/{export.pk}/file")
        if export.kind == "zip" and export.path
        else None,
        job_id=export.job_pk,
        trouble=export.trouble,
        created_at=export.created_at,
        finished_at=export.finished_at,
        removed_at=export.removed_at,
    )


def _project(project: Project) -> ProjectAnswer:
    return ProjectAnswer(
        name=project.name,
        options=list(project.options),
        prefix=project.prefix,
        templates=[
            {"when": each.when, "black": [[r.left, r.top, r.width, r.height] for r in each.black]}
            for each in project.templates
        ],
        created_by=project.created_by,
        created_at=project.created_at,
    )
