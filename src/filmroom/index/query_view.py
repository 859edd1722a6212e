"""What an asker sees (security.view) as SQL conditions on the rows of a question's level.

The same words as ``security.policy.sees``, for all rows at once: it is decided before paging and counting, never after.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from filmroom.db.pool import Connection
from filmroom.dicom.question import Level
from filmroom.index.query_fields import VISIBLE
from filmroom.index.query_terms import Parameters
from filmroom.security.scopes import Scope
from filmroom.security.view import View

_WITH_REJECTED: Final[Mapping[Level, str]] = MappingProxyType(
    {level: text.replace("state = 'visible'", "state IN ('visible', 'rejected')") for level, text in VISIBLE.items()}
)


def visible(view: View) -> Mapping[Level, str]:
    """When a row of each level is there at all."""
    return _WITH_REJECTED if view.show_rejected else VISIBLE


def states(view: View) -> list[str]:
    """The states of what may be retrieved."""
    return ["visible", "rejected"] if view.show_rejected else ["visible"]


def seen(view: View, level: Level, at: Parameters) -> list[str]:
    """Conditions for a row of ``level`` to be in sight; none for a view without limits."""
    if not view.narrow:
        return []
    if level in (Level.SERIES, Level.IMAGE):
        return within(view, at, series=True)
    study = _study_seen(view, at)
    if level is Level.STUDY:
        return study
    some = " AND ".join([visible(view)[Level.STUDY], *study])
    return [f"EXISTS (SELECT FROM study AS s WHERE s.patient_pk = p.pk AND {some})"]


def seen_below(view: View, level: Level, deepest: Level, at: Parameters) -> list[str]:
    """Conditions for what a row of ``level`` is matched by below it (aliases s and e) to be in sight too: a question
    must not find out what an answer would not show."""
    if not view.narrow or (level is Level.STUDY and not view.by_series) or level is Level.SERIES:
        return []
    if deepest is Level.STUDY:
        return _study_seen(view, at)
    return within(view, at, series=True)


def within(view: View, at: Parameters, *, series: bool) -> list[str]:
    """Conditions on a study ``s``, and with ``series`` on a series ``e`` of it."""
    conditions = _study(view, at) + (_series(view, at) if series else [])
    allowed = []
    if view.veiled:
        allowed.append(
            "NOT EXISTS (SELECT FROM protected_patient AS q"
            " WHERE q.patient_pk IN (s.patient_pk, s.acquired_patient_pk))"
        )
    if view.scopes is not None:
        allowed.append(_any(_scope(view, each, at, series=series) for each in view.scopes))
    if allowed:
        broken = (
            "EXISTS (SELECT FROM broken_glass AS b WHERE b.patient_pk = s.patient_pk"
            f" AND b.principal = {at.add(view.me, 'text')} AND b.ended_by = '' AND b.expires_at > now())"
        )
        # The few whose glass is broken by somebody are asked for last.
        conditions.append(f"(({' AND '.join(allowed)}) OR {broken})")
    return conditions


def scope_candidates(view: View, at: Parameters) -> tuple[str, bool] | None:
    """Keys of the studies that scopes may bring into sight, as a statement, and whether they may be a large part of
    all. None where some scope names nothing that an index finds, or nothing is kept out of sight by scopes."""
    if view.scopes is None or view.show_rejected:
        return None
    parts, large = [], False
    for scope in view.scopes:
        own = _of_scope(view, scope, at, "s", "")
        if not own and scope.modalities:
            own, large = [f"s.modalities && {at.add(sorted(scope.modalities), 'text[]')}"], True
        if not own:
            return None
        found = f"FROM study AS s WHERE {' AND '.join(own)}"
        parts.append(
            f"SELECT t.pk FROM study AS t WHERE t.patient_pk IN (SELECT s.patient_pk {found})"
            if scope.priors
            else f"SELECT s.pk {found}"
        )
    parts.append(
        "SELECT s.pk FROM broken_glass AS b JOIN study AS s ON s.patient_pk = b.patient_pk"
        f" WHERE b.principal = {at.add(view.me, 'text')} AND b.ended_by = ''"
    )
    return f"SELECT pk FROM ({' UNION ALL '.join(parts)}) AS in_scope WHERE true", large


async def in_sight(connection: Connection, view: View, pks: list[int]) -> set[int]:
    """Which of these objects are in sight."""
    at = Parameters()
    wanted = at.add(pks, "bigint[]")
    conditions = " AND ".join(["true", *seen(view, Level.IMAGE, at)])
    rows = await connection.fetch(
        "SELECT i.pk FROM instance AS i JOIN series AS e ON e.pk = i.series_pk JOIN study AS s ON s.pk = i.study_pk"
        f" WHERE i.pk = ANY({wanted}) AND {conditions}",
        *at.values,
    )
    return {row["pk"] for row in rows}


async def series_in_sight(connection: Connection, view: View, pks: Sequence[int]) -> set[int]:
    """Which of these series are in sight."""
    at = Parameters()
    wanted = at.add(list(pks), "bigint[]")
    conditions = " AND ".join(["true", *seen(view, Level.SERIES, at)])
    rows = await connection.fetch(
        "SELECT e.pk FROM series AS e JOIN study AS s ON s.pk = e.study_pk"
        f" WHERE e.pk = ANY({wanted}) AND {conditions}",
        *at.values,
    )
    return {row["pk"] for row in rows}


async def studies_in_sight(connection: Connection, view: View, uids: Sequence[str]) -> set[str]:
    """Which of these studies are in sight, by Study Instance UID."""
    at = Parameters()
    wanted = at.add(list(uids), "text[]")
    conditions = " AND ".join([visible(view)[Level.STUDY], *seen(view, Level.STUDY, at)])
    rows = await connection.fetch(
        f"SELECT s.study_uid FROM study AS s WHERE s.study_uid = ANY({wanted}) AND {conditions}", *at.values
    )
    return {row["study_uid"] for row in rows}


_COUNTED: Final = """count(*)::int AS n_series, sum(e.n_instances)::int AS n_instances,
    array_agg(DISTINCT e.modality) FILTER (WHERE e.modality <> '') AS modalities,
    (SELECT array_agg(DISTINCT c ORDER BY c) FROM unnest(string_to_array(
        string_agg(array_to_string(e.sop_classes, ' '), ' '), ' ')) AS c WHERE c <> '') AS sop_classes"""

_COUNTS: Final = ("n_series", "n_instances", "modalities", "sop_classes")


async def study_counts(connection: Connection, view: View, pks: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """What a study is said to consist of, where some of its series are out of sight; by key."""
    at = Parameters()
    wanted = at.add(list(pks), "bigint[]")
    conditions = " AND ".join([visible(view)[Level.SERIES], *within(view, at, series=True)])
    rows = await connection.fetch(
        f"SELECT s.pk, {_COUNTED} FROM study AS s JOIN series AS e ON e.study_pk = s.pk"
        f" WHERE s.pk = ANY({wanted}) AND {conditions} GROUP BY s.pk",
        *at.values,
    )
    return {row["pk"]: {name: row[name] or [] for name in _COUNTS} for row in rows}


async def patient_counts(connection: Connection, view: View, pks: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """How much of each patient is in sight, by key."""
    at = Parameters()
    wanted = at.add(list(pks), "bigint[]")
    there = visible(view)
    conditions = " AND ".join([there[Level.STUDY], there[Level.SERIES], *within(view, at, series=True)])
    rows = await connection.fetch(
        "SELECT s.patient_pk AS pk, count(DISTINCT s.pk)::int AS studies, count(*)::int AS series,"
        " sum(e.n_instances)::int AS instances FROM study AS s JOIN series AS e ON e.study_pk = s.pk"
        f" WHERE s.patient_pk = ANY({wanted}) AND {conditions} GROUP BY s.patient_pk",
        *at.values,
    )
    return {row["pk"]: row for row in rows}


def _study_seen(view: View, at: Parameters) -> list[str]:
    if not view.by_series:
        return within(view, at, series=False)
    some = " AND ".join([visible(view)[Level.SERIES], *within(view, at, series=True)])
    return [f"EXISTS (SELECT FROM series AS e WHERE e.study_pk = s.pk AND {some})"]


def _study(view: View, at: Parameters) -> list[str]:
    conditions = []
    if view.departments:
        names = at.add(sorted(view.departments), "text[]")
        conditions.append(f"s.department_pk IN (SELECT pk FROM department WHERE name = ANY({names}))")
    if view.max_age_days is not None:
        conditions.append(f"s.study_date >= to_char(current_date - {at.add(view.max_age_days, 'int')}, 'YYYYMMDD')")
    return conditions


def _series(view: View, at: Parameters) -> list[str]:
    conditions = []
    if view.modalities:
        conditions.append(f"e.modality = ANY({at.add(sorted(view.modalities), 'text[]')})")
    if view.stations:
        conditions.append(f"e.station_name = ANY({at.add(sorted(view.stations), 'text[]')})")
    return conditions


def _scope(view: View, scope: Scope, at: Parameters, *, series: bool) -> str:
    """A study (or series) lies in the scope, or comes with one that does."""
    own = _of_scope(view, scope, at, "s", "e" if series else "")
    harmless = _harmless(scope, at, "s")
    if not scope.priors:
        return _all([*own, *harmless])
    current = _all(
        [
            *_of_scope(view, scope, at, "c", "f"),
            *_harmless(scope, at, "c"),
            "c.state = 'visible'",
            "f.state = 'visible'",
        ]
    )
    with_current = (
        "EXISTS (SELECT FROM study AS c JOIN series AS f ON f.study_pk = c.pk"
        f" WHERE c.patient_pk = s.patient_pk AND {current})"
    )
    return f"({_all([*own, *harmless])} OR {_all([with_current, *harmless])})"


def _of_scope(view: View, scope: Scope, at: Parameters, study: str, series: str) -> list[str]:
    found = []
    if scope.sites:
        found.append(
            f"{study}.site_pk IN (SELECT pk FROM site WHERE name = ANY({at.add(sorted(scope.sites), 'text[]')}))"
        )
    if scope.departments:
        names = at.add(sorted(scope.departments), "text[]")
        found.append(f"{study}.department_pk IN (SELECT pk FROM department WHERE name = ANY({names}))")
    if scope.modalities and series:
        found.append(f"{series}.modality = ANY({at.add(sorted(scope.modalities), 'text[]')})")
    if scope.patient_lists:
        names = at.add(sorted(scope.patient_lists), "text[]")
        found.append(
            "EXISTS (SELECT FROM patient_list_member AS m JOIN patient_list AS n ON n.pk = m.list_pk"
            f" WHERE m.patient_pk = {study}.patient_pk AND n.name = ANY({names}))"
        )
    if scope.studies:
        found.append(f"{study}.study_uid = ANY({at.add(sorted(scope.studies), 'text[]')})")
    if scope.referring_me:
        found.append(f"{study}.referring = ANY({at.add(sorted(view.names), 'text[]')})")
    if scope.assigned_to_me:
        me = at.add(view.me, "text")
        found.append(f"EXISTS (SELECT FROM study_assignee AS g WHERE g.study_pk = {study}.pk AND g.principal = {me})")
    return found


def _harmless(scope: Scope, at: Parameters, study: str) -> list[str]:
    found = []
    if scope.deidentified_only:
        found.append(
            f"EXISTS (SELECT FROM patient AS d WHERE d.pk = {study}.patient_pk"
            ' AND d.attributes @> \'{"00120062": {"Value": ["YES"]}}\')'
        )
    if scope.max_sensitivity is not None:
        found.append(f"{study}.sensitivity <= {at.add(scope.max_sensitivity, 'int')}")
    return found


def _all(conditions: Iterable[str]) -> str:
    return "(" + " AND ".join(["true", *conditions]) + ")"


def _any(conditions: Iterable[str]) -> str:
    return "(" + " OR ".join(["false", *conditions]) + ")"
