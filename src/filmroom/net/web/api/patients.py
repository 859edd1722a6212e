"""``/api/v1/patients``: patients, found as studies are, in the order of their names."""

from typing import Annotated, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Shape, operation
from filmroom.net.web.api.studies import PatientShown, Typed, listing_of, number_of, patient_of
from filmroom.net.web.bodies import query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action


class PatientRow(Shape):
    """A patient with what there is of them."""

    patient: PatientShown
    studies: int
    images: int


class PatientPage(Shape):
    """A page. ``next`` is the ``after`` of the following one; ``total`` only where it was asked for.

    ``more``: there are more than ``total``.
    """

    patients: list[PatientRow]
    next: str | None
    total: int | None = None
    more: bool = False


class PatientsAsked(Asked):
    """What the list is narrowed by."""

    q: Annotated[Typed, Meta(description="As typed: name, pinyin, initials or Patient ID.")] = ""
    sort: Annotated[Literal["", "name", "-name", "id", "-id", "birth", "-birth"], Meta(description="Empty: name.")] = ""
    after: Annotated[str, Meta(max_length=2000, description="`next` of the page before.")] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    count: Annotated[bool, Meta(description="Also say how many there are.")] = False


class Patients:
    """The handler."""

    def __init__(self, services: WebServices) -> None:
        self._listing = services.listing

    def routes(self) -> list[Route]:
        return [Route("/api/v1/patients", self.list)]

    @operation("List patients", tag="patients", query=PatientsAsked, returns=PatientPage, permission=Action.VIEW)
    async def list(self, request: Request) -> Response:
        asked = query_of(request, PatientsAsked)
        use = listing_of(self._listing)
        page = await use.patients(who(request), asked.q, sort=asked.sort, after=asked.after, limit=asked.limit)
        total, more = await use.count_patients(who(request), asked.q) if asked.count else (None, False)
        rows = [
            PatientRow(
                patient=patient_of(each.attributes),
                studies=number_of(each.attributes, "00201200"),
                images=number_of(each.attributes, "00201204"),
            )
            for each in page.rows
        ]
        return answer(PatientPage(patients=rows, next=page.next or None, total=total, more=more))
