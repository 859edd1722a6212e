"""Who asks: a person, a device, a job or Filmroom itself. The first argument of every use case."""

from dataclasses import dataclass
from enum import Enum

from filmroom.base.ids import AeTitle
from filmroom.security.view import EVERYTHING, View


class Kind(Enum):
    """What sort of actor stands behind a request."""

    PERSON = "person"
    DEVICE = "device"
    JOB = "job"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks. ``id`` is stable and unique over all kinds ('person:7', 'device:CT1')."""

    id: str
    name: str
    kind: Kind
    roles: frozenset[str] = frozenset()
    view: View = EVERYTHING


SYSTEM = Principal("system", "system", Kind.SYSTEM)


def device(ae: AeTitle, view: View = EVERYTHING) -> Principal:
    """A DICOM peer, known by its AE title, with what it sees at the AE title it called."""
    return Principal(f"device:{ae}", str(ae), Kind.DEVICE, view=view)


def person(pk: int, name: str, roles: frozenset[str]) -> Principal:
    """The owner of an account."""
    return Principal(f"person:{pk}", name, Kind.PERSON, roles)


def job(kind: str, acts_for: Principal = SYSTEM) -> Principal:
    """Background work, with the roles of whom it acts for."""
    return Principal(f"job:{kind}:{acts_for.id}", f"{kind} for {acts_for.name}", Kind.JOB, acts_for.roles)
