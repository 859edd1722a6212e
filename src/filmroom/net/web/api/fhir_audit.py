"""``/fhir/AuditEvent``: the audit trail as FHIR R4 asks for it (search parameters of AuditEvent, IHE ITI-81)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.safekeeping import Safekeeping
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import operation
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.audit import BY_TARGET, KINDS, AuditKind
from filmroom.security.audit_messages import fhir
from filmroom.security.audit_reading import Asked
from filmroom.security.policy import Action

FHIR = "application/fhir+json"
MOST = 1000
_KNOWN = {
    *("date", "agent", "agent-name", "patient.identifier", "entity", "study", "type", "subtype", "action", "outcome"),
    *("_count", "before", "_format"),
}


class FhirAudit:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._keeping = services.keeping
        self._source = services.settings.dimse.ae_title

    def routes(self) -> list[Route]:
        return [Route("/fhir/AuditEvent", self.search), Route("/fhir/AuditEvent/{id}", self.read)]

    @operation(
        "Search audit events, as FHIR asks (R4)",
        tag="audit",
        text="`date` (with ge, gt, le, lt or eq, may be given twice), `agent` or `agent-name`, `patient.identifier`, "
        "`entity` (a Study Instance UID), `type` and `subtype` (codes of DICOM), `action`, `outcome`, `_count`. Newest "
        "first; the link `next` goes on.",
        returns=dict[str, Any],
        media=FHIR,
        errors=[400],
        permission=Action.AUDIT,
    )
    async def search(self, request: Request) -> Response:
        asked, count = _asked(request)
        found = await self._use.reading.search(who(request), asked, count)
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [{"relation": "self", "url": str(request.url)}],
            "entry": [
                {"fullUrl": f"urn:uuid:{each.event.id}", "resource": fhir(each.event, self._source)} for each in found
            ],
        }
        if len(found) == count:
            kept = [(name, value) for name, value in request.query_params.multi_items() if name != "before"]
            following = urlencode([*kept, ("before", found[-1].seq)])
            bundle["link"].append({"relation": "next", "url": f"/fhir/AuditEvent?{following}"})
        return answer(bundle, headers={"content-type": FHIR})

    @operation(
        "Show an audit event (FHIR R4)",
        tag="audit",
        returns=dict[str, Any],
        media=FHIR,
        errors=[404],
        permission=Action.AUDIT,
    )
    async def read(self, request: Request) -> Response:
        found = await self._use.reading.one(who(request), request.path_params["id"])
        return answer(fhir(found.event, self._source), headers={"content-type": FHIR})

    @property
    def _use(self) -> Safekeeping:
        if self._keeping is None:
            raise NotFound
        return self._keeping


def _asked(request: Request) -> tuple[Asked, int]:
    """The search as FHIR says it. Raises Refused (400) for what is not known, and is never overlooked."""
    given = request.query_params
    if unknown := set(given) - _KNOWN:
        raise Refused(400, f"there is no search parameter {min(unknown)}")
    since, until = _period(given.getlist("date"))
    outcomes = {each for value in given.getlist("outcome") for each in _codes(value)}
    try:
        count, before = min(MOST, max(1, int(given.get("_count", "100")))), given.get("before")
        place = None if before is None else int(before)
    except ValueError:
        raise Refused(400, "_count and before are numbers") from None
    kinds = _kinds(given.getlist("type"), 0), _kinds(given.getlist("subtype"), 1), _kinds(given.getlist("action"), 2)
    wanted = set(AuditKind).intersection(*(each for each in kinds if each is not None))
    if not wanted:
        raise Refused(400, "no record is of that type, subtype and action")
    asked = Asked(
        patient=given.get("patient.identifier", "").rpartition("|")[2],
        study=(given.get("entity") or given.get("study") or "").removeprefix("urn:oid:"),
        who=given.get("agent") or given.get("agent-name") or "",
        kinds=() if wanted == set(AuditKind) else tuple(sorted(wanted, key=lambda kind: kind.value)),
        failed=None if not outcomes else "0" not in outcomes,
        since=since,
        until=until,
        before=place,
    )
    return asked, count


def _codes(value: str) -> list[str]:
    return [each.rpartition("|")[2] for each in value.split(",") if each]


def _kinds(values: list[str], place: int) -> set[AuditKind] | None:
    """The kinds that any of these codes tells of; None when none is asked for."""
    codes = {code for value in values for code in _codes(value)}
    if not codes:
        return None
    meanings = [*KINDS.items(), *((kind, meaning) for (kind, _), meaning in BY_TARGET.items())]
    told = [
        (kind, (meaning.event[0], meaning.type[0] if meaning.type else "", meaning.action))
        for kind, meaning in meanings
    ]
    return {kind for kind, each in told if each[place] in codes}


def _period(values: list[str]) -> tuple[datetime | None, datetime | None]:
    since = until = None
    for value in values:
        sign, text = (value[:2], value[2:]) if value[:2] in {"ge", "gt", "le", "lt", "eq"} else ("eq", value)
        begin, end = _moment(text)
        if sign in {"ge", "eq"}:
            since = begin
        if sign == "gt":
            since = end
        if sign in {"le", "eq"}:
            until = end
        if sign == "lt":
            until = begin
    return since, until


def _moment(text: str) -> tuple[datetime, datetime]:
    """A date or time of FHIR as the time it begins and the time it is over."""
    try:
        if len(text) == 10:
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day, day + timedelta(days=1)
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Refused(400, "a date is YYYY-MM-DD, or a time with its zone") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment, moment + timedelta(seconds=1)
