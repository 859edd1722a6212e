"""``/api/v1/studies``: lists of studies as a person looks for them, and one study with its series."""

from typing import Annotated, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.listing import Listed, Listing, StudySearch, text
from filmroom.base.errors import NotFound
from filmroom.dicom.question import JsonDataset
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

Typed = Annotated[str, Meta(max_length=200)]
Day = Annotated[str, Meta(pattern=r"^(\d{8})?$")]
Sort = Literal[
    "", "name", "-name", "id", "-id", "date", "-date", "accession", "-accession", "description", "-description"
]


class PatientName(Shape):
    """A name by its groups: Latin letters, Chinese characters, sound. Components are separated by ^."""

    alphabetic: str
    ideographic: str
    phonetic: str


class PatientShown(Shape):
    """Whose study it is. Dates are YYYYMMDD."""

    id: str
    issuer: str
    name: PatientName
    birth_date: str
    sex: str


class StudyShown(Shape):
    """A study of a list. ``images`` counts all its objects, whatever they are."""

    uid: str
    patient: PatientShown
    date: str
    time: str
    modalities: list[str]
    description: str
    accession: str
    referring: PatientName
    series: int
    images: int
    size_bytes: int
    received_at: Moment | None


class StudyPage(Shape):
    """A page. ``next`` is the ``after`` of the following one; ``total`` only where it was asked for.

    ``more``: there are more than ``total``.
    """

    studies: list[StudyShown]
    next: str | None
    total: int | None = None
    more: bool = False


class SeriesShown(Shape):
    """A series of a study."""

    uid: str
    number: str
    modality: str
    description: str
    body_part: str
    date: str
    time: str
    protocol: str
    station: str
    images: int
    size_bytes: int


class StudyDetail(Shape):
    """A study with its series. The journal calls its patient ``patient_target``."""

    study: StudyShown
    series: list[SeriesShown]
    patient_target: str


class StudiesAsked(Asked):
    """What the list is narrowed by."""

    q: Annotated[Typed, Meta(description="As typed: name, pinyin, initials, Patient ID, accession number.")] = ""
    name: Typed = ""
    id: Typed = ""
    issuer: Typed = ""
    accession: Typed = ""
    description: Typed = ""
    referring: Typed = ""
    first_day: Day = ""
    last_day: Day = ""
    modality: Annotated[list[Annotated[str, Meta(max_length=16)]], Meta(max_length=50)] = []  # noqa: RUF012
    sort: Annotated[Sort, Meta(description="With a minus: descending. Empty: newest first.")] = ""
    after: Annotated[str, Meta(max_length=2000, description="`next` of the page before.")] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    count: Annotated[bool, Meta(description="Also say how many there are.")] = False


class Studies:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._listing = services.listing

    def routes(self) -> list[Route]:
        return [Route("/api/v1/studies", self.list), Route("/api/v1/studies/{uid}", self.show)]

    @operation("List studies", tag="studies", query=StudiesAsked, returns=StudyPage, permission=Action.VIEW)
    async def list(self, request: Request) -> Response:
        asked = query_of(request, StudiesAsked)
        search = StudySearch(
            words=asked.q,
            name=asked.name,
            patient_id=asked.id,
            issuer=asked.issuer,
            accession=asked.accession,
            description=asked.description,
            referring=asked.referring,
            from_day=asked.first_day,
            to_day=asked.last_day,
            modalities=asked.modality,
            sort=asked.sort,
        )
        page = await listing_of(self._listing).studies(who(request), search, after=asked.after, limit=asked.limit)
        total, more = None, False
        if asked.count and not page.next and not asked.after:
            total = len(page.rows)
        elif asked.count:
            total, more = await listing_of(self._listing).count_studies(who(request), search)
        shown = [_study(each) for each in page.rows]
        return answer(StudyPage(studies=shown, next=page.next or None, total=total, more=more))

    @operation("Show a study and its series", tag="studies", returns=StudyDetail, permission=Action.VIEW, errors=[404])
    async def show(self, request: Request) -> Response:
        whole = await listing_of(self._listing).study(who(request), request.path_params["uid"])
        series = [_series(each) for each in whole.series]
        return answer(StudyDetail(study=_study(whole.study), series=series, patient_target=f"patient:{whole.patient}"))


def listing_of(listing: Listing | None) -> Listing:
    """The use cases, where they are offered."""
    if listing is None:
        raise NotFound("lists are not offered here")
    return listing


def patient_of(found: JsonDataset) -> PatientShown:
    """The patient of a row."""
    return PatientShown(
        id=text(found, "00100020"),
        issuer=text(found, "00100021"),
        name=_name(found, "00100010"),
        birth_date=text(found, "00100030"),
        sex=text(found, "00100040"),
    )


def number_of(found: JsonDataset, key: str) -> int:
    """A number of a row, 0 where there is none."""
    value = text(found, key)
    return int(value) if value.isdecimal() else 0


def _study(row: Listed) -> StudyShown:
    found = row.attributes
    return StudyShown(
        uid=text(found, "0020000D"),
        patient=patient_of(found),
        date=text(found, "00080020"),
        time=text(found, "00080030"),
        modalities=[str(each) for each in found.get("00080061", {}).get("Value") or [] if each],
        description=text(found, "00081030"),
        accession=text(found, "00080050"),
        referring=_name(found, "00080090"),
        series=number_of(found, "00201206"),
        images=number_of(found, "00201208"),
        size_bytes=row.size_bytes,
        received_at=row.received_at,
    )


def _series(row: Listed) -> SeriesShown:
    found = row.attributes
    return SeriesShown(
        uid=text(found, "0020000E"),
        number=text(found, "00200011"),
        modality=text(found, "00080060"),
        description=text(found, "0008103E"),
        body_part=text(found, "00180015"),
        date=text(found, "00080021"),
        time=text(found, "00080031"),
        protocol=text(found, "00181030"),
        station=text(found, "00081010"),
        images=number_of(found, "00201209"),
        size_bytes=row.size_bytes,
    )


def _name(found: JsonDataset, key: str) -> PatientName:
    value = (found.get(key, {}).get("Value") or [None])[0]
    groups = value if isinstance(value, dict) else {}
    return PatientName(
        alphabetic=groups.get("Alphabetic", ""),
        ideographic=groups.get("Ideographic", ""),
        phonetic=groups.get("Phonetic", ""),
    )
