"""On which part of the archive a role counts. Pure: what lies in a scope is decided here for one study that is known,
and in ``index.query_view``, by the same words, as SQL for all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A part of the archive. Every field narrows and all must hold; an empty one is no limit.

    ``priors``: a study that lies in the scope brings its patient's other studies with it, as far as sensitivity and
    de-identification allow.
    """

    sites: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    patient_lists: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()
    referring_me: bool = False
    assigned_to_me: bool = False
    deidentified_only: bool = False
    max_sensitivity: int | None = None
    priors: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is no limit at all."""
        return self in (WHOLE, _WHOLE_WITH_PRIORS)

    def to_row(self) -> dict[str, Any]:
        """As JSON, without what says nothing."""
        row: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value != each.default:
                row[each.name] = sorted(value) if isinstance(value, frozenset) else value
        return row


WHOLE: Final = Scope()
_WHOLE_WITH_PRIORS: Final = Scope(priors=True)
_SETS: Final = frozenset({"sites", "departments", "modalities", "patient_lists", "studies"})
_FLAGS: Final = frozenset({"referring_me", "assigned_to_me", "deidentified_only", "priors"})
MAX_NAMES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A study (or one series of it: then with its modality alone) as the decision sees it."""

    study_uid: str = ""
    site: str = ""
    department: str = ""
    modality: str = ""
    referring: str = ""
    assignees: frozenset[str] = frozenset()
    patient_lists: frozenset[str] = frozenset()
    deidentified: bool = False
    sensitivity: int = 0
    protected: bool = False


def covers(scope: Scope, what: Subject, me: str, names: frozenset[str]) -> bool:
    """Whether a series of a study lies in a scope by itself (priors aside)."""
    return (
        (not scope.sites or what.site in scope.sites)
        and (not scope.departments or what.department in scope.departments)
        and (not scope.modalities or what.modality in scope.modalities)
        and (not scope.patient_lists or bool(what.patient_lists & scope.patient_lists))
        and (not scope.studies or what.study_uid in scope.studies)
        and (not scope.referring_me or what.referring in names)
        and (not scope.assigned_to_me or me in what.assignees)
        and harmless(scope, what)
    )


def harmless(scope: Scope, what: Subject) -> bool:
    """The limits that no current study lifts from an earlier one."""
    return (not scope.deidentified_only or what.deidentified) and (
        scope.max_sensitivity is None or what.sensitivity <= scope.max_sensitivity
    )


def narrowed(scopes: Iterable[Scope], by: Scope) -> tuple[Scope, ...]:
    """What lies both in one of ``scopes`` and in ``by``."""
    return tuple(both for scope in scopes if (both := _both(scope, by)) is not None)


def _both(one: Scope, other: Scope) -> Scope | None:
    values: dict[str, Any] = {}
    for name in _SETS:
        mine, theirs = getattr(one, name), getattr(other, name)
        values[name] = mine & theirs if mine and theirs else mine | theirs
        if mine and theirs and not values[name]:
            return None
    for name in _FLAGS - {"priors"}:
        values[name] = getattr(one, name) or getattr(other, name)
    limits = [limit for limit in (one.max_sensitivity, other.max_sensitivity) if limit is not None]
    values["max_sensitivity"] = min(limits, default=None)
    # Where one of the two is no limit, the other alone says whether it brings earlier studies.
    values["priors"] = (
        one.priors and other.priors if not (one == WHOLE or other == WHOLE) else one.priors or other.priors
    )
    return Scope(**values)


def scope_from(row: Mapping[str, Any]) -> Scope:
    """A scope as it was asked for or kept. Raises ValueError that says what is wrong."""
    values: dict[str, Any] = {}
    for name, value in row.items():
        if name in _SETS:
            if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
                raise ValueError(f"{name} is a list of names")
            if len(value) > MAX_NAMES:
                raise ValueError(f"{name} has at most {MAX_NAMES} names")
            values[name] = frozenset(value)
        elif name in _FLAGS:
            if not isinstance(value, bool):
                raise ValueError(f"{name} is true or false")
            values[name] = value
        elif name == "max_sensitivity":
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"{name} is a whole number")
            values[name] = value
        else:
            raise ValueError(f"a scope has no {name}")
    return Scope(**values)
