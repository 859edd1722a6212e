"""What an asker sees (security.view) as SQL conditions on the rows of a question's level."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from filmroom.db.pool import Connection
from filmroom.dicom.question import Level
from filmroom.index.query_fields import VISIBLE
from filmroom.index.query_terms import Parameters
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
    study, series = _study(view, at), _series(view, at)
    there = visible(view)
    if level in (Level.SERIES, Level.IMAGE):
        return study + series
    if series:
        some = " AND ".join([there[Level.SERIES], *series])
        study = [*study, f"EXISTS (SELECT FROM series AS e WHERE e.study_pk = s.pk AND {some})"]
    if level is Level.STUDY:
        return study
    some = " AND ".join([there[Level.STUDY], *study])
    return [f"EXISTS (SELECT FROM study AS s WHERE s.patient_pk = p.pk AND {some})"]


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
