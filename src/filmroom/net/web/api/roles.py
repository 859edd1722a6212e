"""``/api/v1/roles`` and what goes with them: who has which role on what, protected patients, broken glass."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.safekeeping import Safekeeping
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, demand_match, nothing, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Misfit, Unfit
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action
from filmroom.security.roles import READY, Role
from filmroom.security.scopes import Scope, scope_from

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class RoleShown(Shape):
    """A role: what it allows, and where (any of the scopes)."""

    name: str
    ready: bool
    actions: list[str]
    scopes: list[dict[str, Any]]
    help: str


class RoleList(Shape):
    """Every role there is."""

    roles: list[RoleShown]


class RoleAsked(Asked):
    """A role of this archive's own."""

    actions: list[str]
    scopes: list[dict[str, Any]] = msgspec.field(default_factory=list)
    help: Annotated[str, Meta(max_length=500)] = ""


class GrantShown(Shape):
    """A role that was given with a scope."""

    principal: str
    role: str
    scope: dict[str, Any]
    changed_at: Moment


class GrantList(Shape):
    """Who was given which role with what scope."""

    grants: list[GrantShown]


class GrantAsked(Asked):
    """A role for a person (``person:7``) or a device (``device:CT1``); the scope narrows it."""

    principal: Name
    role: Name
    scope: dict[str, Any] = msgspec.field(default_factory=dict)


class NamesAsked(Asked):
    """Names as in Referring Physician's Name."""

    names: Annotated[list[str], Meta(max_length=50)]


class AssignAsked(Asked):
    """Whose study it is."""

    principal: Name
    off: bool = False


class MarkAsked(Asked):
    """How sensitive a study is."""

    sensitivity: Annotated[int, Meta(ge=0, le=9)]


class ListAsked(Asked):
    """Exactly these patients: identifiers with their issuers ('' is ours)."""

    patients: Annotated[list[tuple[str, str]], Meta(max_length=10_000)]


class ProtectAsked(Asked):
    """A patient to be kept out of sight."""

    patient_id: Name
    issuer: str = ""
    kind: Annotated[str, Meta(description="vip or staff")] = "vip"
    why: Annotated[str, Meta(max_length=500)] = ""


class PatientNamed(Asked):
    """A patient."""

    patient_id: Name
    issuer: str = ""


class GlassAsked(Asked):
    """Whose records are needed and why; the patient by identifier, study or accession number."""

    reason: Annotated[str, Meta(max_length=500)]
    patient_id: str = ""
    issuer: str | None = None
    study: str = ""
    accession: str = ""
    hours: Annotated[float, Meta(gt=0, le=72)] = 4.0


class GlassBroken(Shape):
    """Until when it is open."""

    ids: list[int]
    expires_at: Moment


class Roles:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._keeping = services.keeping
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/roles", self.show),
            Route("/api/v1/roles/{name}", self.one),
            Route("/api/v1/roles/{name}", self.put, methods=["PUT"]),
            Route("/api/v1/roles/{name}", self.remove, methods=["DELETE"]),
            Route("/api/v1/grants", self.grants),
            Route("/api/v1/grants", self.give, methods=["POST"]),
            Route("/api/v1/grants/{principal}/{role}", self.take, methods=["DELETE"]),
            Route("/api/v1/grants/{principal}/referring-names", self.names, methods=["PUT"]),
            Route("/api/v1/patient-lists/{name}", self.put_list, methods=["PUT"]),
            Route("/api/v1/rights/studies/{study}/assignee", self.assign, methods=["PUT"]),
            Route("/api/v1/rights/studies/{study}/sensitivity", self.mark, methods=["PUT"]),
            Route("/api/v1/protected-patients", self.protected),
            Route("/api/v1/protected-patients", self.protect, methods=["POST"]),
            Route("/api/v1/protected-patients", self.unprotect, methods=["DELETE"]),
            Route("/api/v1/broken-glass", self.broken),
            Route("/api/v1/broken-glass", self.break_glass, methods=["POST"]),
            Route("/api/v1/broken-glass/{pk:int}", self.mend, methods=["DELETE"]),
        ]

    @operation("List roles", tag="roles", returns=RoleList, permission=Action.SECURITY)
    async def show(self, request: Request) -> Response:
        found = await self._use.book.roles(who(request))
        return answer(RoleList(roles=[_shown(name, role) for name, role in found.items()]))

    @operation("One role", tag="roles", returns=RoleShown, errors=[404], permission=Action.SECURITY, tagged=True)
    async def one(self, request: Request) -> Response:
        found = await self._named(request)
        if found is None:
            raise NotFound(f"no role is called {request.path_params['name']}")
        return tagged(request, found)

    @operation(
        "Make or change a role", tag="roles", body=RoleAsked, errors=[422], permission=Action.SECURITY, tagged=True
    )
    async def put(self, request: Request) -> Response:
        asked = await body_of(request, RoleAsked, most_bytes=self._most_bytes)
        known = {action.value: action for action in Action}
        if unknown := [name for name in asked.actions if name not in known]:
            raise Unfit([Misfit("/actions", f"there is no action {unknown[0]}")])
        scopes = tuple(_scope(row, "/scopes") for row in asked.scopes) or (Scope(),)
        demand_match(request, await self._named(request))
        role = Role(actions=frozenset(known[name] for name in asked.actions), scopes=scopes, help=asked.help)
        await self._use.book.put(who(request), request.path_params["name"], role)
        return nothing()

    @operation("Remove a role", tag="roles", errors=[404, 409], permission=Action.SECURITY)
    async def remove(self, request: Request) -> Response:
        await self._use.book.remove(who(request), request.path_params["name"])
        return nothing()

    @operation("List roles given with a scope", tag="roles", returns=GrantList, permission=Action.SECURITY)
    async def grants(self, request: Request) -> Response:
        rows = [
            {key: value for key, value in row.items() if key != "pk"}
            for row in await self._use.book.grants(who(request))
        ]
        return answer(GrantList(grants=[GrantShown(**row) for row in rows]))

    @operation("Give a role", tag="roles", body=GrantAsked, errors=[422], permission=Action.SECURITY)
    async def give(self, request: Request) -> Response:
        asked = await body_of(request, GrantAsked, most_bytes=self._most_bytes)
        await self._use.book.give(who(request), asked.principal, asked.role, _scope(asked.scope, "/scope"))
        return nothing()

    @operation("Take a role that was given", tag="roles", errors=[404], permission=Action.SECURITY)
    async def take(self, request: Request) -> Response:
        await self._use.book.take(who(request), request.path_params["principal"], request.path_params["role"])
        return nothing()

    @operation("Names under which somebody refers", tag="roles", body=NamesAsked, permission=Action.SECURITY)
    async def names(self, request: Request) -> Response:
        asked = await body_of(request, NamesAsked, most_bytes=self._most_bytes)
        await self._use.book.known_as(who(request), request.path_params["principal"], asked.names)
        return nothing()

    @operation("Fill a patient list", tag="roles", body=ListAsked, permission=Action.SECURITY)
    async def put_list(self, request: Request) -> Response:
        asked = await body_of(request, ListAsked, most_bytes=self._most_bytes)
        await self._use.book.put_list(who(request), request.path_params["name"], asked.patients)
        return nothing()

    @operation("Assign a study", tag="roles", body=AssignAsked, errors=[404], permission=Action.SECURITY)
    async def assign(self, request: Request) -> Response:
        asked = await body_of(request, AssignAsked, most_bytes=self._most_bytes)
        await self._use.book.assign(who(request), request.path_params["study"], asked.principal, off=asked.off)
        return nothing()

    @operation("Say how sensitive a study is", tag="roles", body=MarkAsked, errors=[404], permission=Action.SECURITY)
    async def mark(self, request: Request) -> Response:
        asked = await body_of(request, MarkAsked, most_bytes=self._most_bytes)
        await self._use.book.mark(who(request), request.path_params["study"], asked.sensitivity)
        return nothing()

    @operation("List protected patients", tag="rights", returns=list[dict[str, Any]], permission=Action.SECURITY)
    async def protected(self, request: Request) -> Response:
        return answer([_plain(row) for row in await self._use.glass.protected(who(request))])

    @operation("Protect a patient", tag="rights", body=ProtectAsked, errors=[404, 422], permission=Action.SECURITY)
    async def protect(self, request: Request) -> Response:
        asked = await body_of(request, ProtectAsked, most_bytes=self._most_bytes)
        await self._use.glass.protect(who(request), asked.patient_id, asked.issuer, asked.kind, why=asked.why)
        return nothing()

    @operation(
        "Protect a patient no longer", tag="rights", query=PatientNamed, errors=[404], permission=Action.SECURITY
    )
    async def unprotect(self, request: Request) -> Response:
        asked = query_of(request, PatientNamed)
        await self._use.glass.unprotect(who(request), asked.patient_id, asked.issuer)
        return nothing()

    @operation(
        "List broken glass: one's own, or all for security and audit", tag="rights", returns=list[dict[str, Any]]
    )
    async def broken(self, request: Request) -> Response:
        return answer([_plain(row) for row in await self._use.glass.broken(who(request))])

    @operation(
        "Break the glass",
        tag="rights",
        text="Shows a patient's records to whoever asks, for a while. The reason is kept, and others are told at once.",
        body=GlassAsked,
        returns=GlassBroken,
        status=201,
        errors=[404, 422],
        permission=Action.BREAK_GLASS,
    )
    async def break_glass(self, request: Request) -> Response:
        asked = await body_of(request, GlassAsked, most_bytes=self._most_bytes)
        broken = await self._use.glass.break_(
            who(request),
            reason=asked.reason,
            patient_id=asked.patient_id,
            issuer=asked.issuer,
            study=asked.study,
            accession=asked.accession,
            lasts=timedelta(hours=asked.hours),
        )
        return answer(GlassBroken(ids=list(broken.pks), expires_at=broken.expires_at), 201)

    @operation("End a broken glass before its time", tag="rights", errors=[404])
    async def mend(self, request: Request) -> Response:
        await self._use.glass.mend(who(request), request.path_params["pk"])
        return nothing()

    async def _named(self, request: Request) -> RoleShown | None:
        name = request.path_params["name"]
        found = (await self._use.book.roles(who(request))).get(name)
        return None if found is None else _shown(name, found)

    @property
    def _use(self) -> Safekeeping:
        if self._keeping is None:
            raise NotFound
        return self._keeping


def _shown(name: str, role: Role) -> RoleShown:
    actions = sorted(action.value for action in role.actions)
    scopes = [scope.to_row() for scope in role.scopes]
    return RoleShown(name=name, ready=name in READY, actions=actions, scopes=scopes, help=role.help)


def _scope(row: dict[str, Any], pointer: str) -> Scope:
    try:
        return scope_from(row)
    except ValueError as error:
        raise Unfit([Misfit(pointer, str(error))]) from error


def _plain(row: Any) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "patient_pk"}
