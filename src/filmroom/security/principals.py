"""Who asks: a person, a device, a job or Filmroom itself. The first argument of every use case."""

from dataclasses import dataclass
from enum import Enum

from filmroom.base.ids import AeTitle
from filmroom.security.roles import READY, Action, Grant
from filmroom.security.view import EVERYTHING, View


class Kind(Enum):
    """What sort of actor stands behind a request."""

    PERSON = "person"
    DEVICE = "device"
    JOB = "job"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks. ``id`` is stable and unique over all kinds ('person:7', 'device:CT1').

    ``view`` is what is seen; ``grants`` are the roles with their scopes as worked out for this session (None: the ready
    roles of these names, everywhere); ``only`` leaves of the actions no others (what a token was issued for). ``door``
    and ``address`` say where the request came in.
    """

    id: str
    name: str
    kind: Kind
    roles: frozenset[str] = frozenset()
    view: View = EVERYTHING
    grants: tuple[Grant, ...] | None = None
    only: frozenset[Action] | None = None
    door: str = ""
    address: str = ""


SYSTEM = Principal("system", "system", Kind.SYSTEM)


def device(ae: AeTitle, view: View = EVERYTHING) -> Principal:
    """A DICOM peer, known by its AE title, with what it sees at the AE title it called."""
    return Principal(f"device:{ae}", str(ae), Kind.DEVICE, view=view)


def person(pk: int, name: str, roles: frozenset[str]) -> Principal:
    """The owner of an account, as far as the ready roles go; a role book (roles_book) knows the others."""
    scopes = tuple(scope for name in sorted(roles) if name in READY for scope in READY[name].scopes)
    whole = not scopes or any(scope.whole for scope in scopes)
    view = EVERYTHING if whole else View(scopes=scopes, me=f"person:{pk}")
    return Principal(f"person:{pk}", name, Kind.PERSON, roles, view)


def job(kind: str, acts_for: Principal = SYSTEM) -> Principal:
    """Background work, with the roles of whom it acts for."""
    return Principal(f"job:{kind}:{acts_for.id}", f"{kind} for {acts_for.name}", Kind.JOB, acts_for.roles)
