"""What lists beside the studies show: deliveries, commitments, exports, the journal and quarantine, each entry only to
whoever sees all that it is about. What nobody can place is nobody's whose sight has limits."""

from collections.abc import Sequence
from typing import Final

from filmroom.base.errors import Forbidden, NotFound
from filmroom.db.pool import Connection
from filmroom.index.query_terms import Parameters
from filmroom.index.query_view import in_sight, within
from filmroom.security.policy import Action, view_for
from filmroom.security.principals import Principal
from filmroom.security.view import View

ALL: Final = "true"
_SERIES: Final = "series AS e JOIN study AS s ON s.pk = e.study_pk"


def delivery_seen(view: View, at: Parameters, alias: str = "d") -> str:
    """A delivery: all series that it sends from are in sight."""
    return _none_hidden(
        view,
        at,
        f"SELECT DISTINCT x.series_uid AS uid FROM delivery_item AS x WHERE x.delivery_pk = {alias}.pk",
        f"SELECT FROM {_SERIES} WHERE e.series_uid = u.uid",
    )


def commitment_seen(view: View, at: Parameters) -> str:
    """A commitment transaction ``c``: all of its objects are in sight."""
    return _none_hidden(
        view,
        at,
        "SELECT x.sop_uid AS uid FROM commitment_item AS x WHERE x.commitment_pk = c.pk",
        "SELECT FROM instance AS i JOIN series AS e ON e.pk = i.series_pk JOIN study AS s ON s.pk = e.study_pk"
        " WHERE i.sop_uid = u.uid",
    )


def export_seen(view: View, at: Parameters) -> str:
    """An export: all of its studies are in sight."""
    return _none_hidden(
        view,
        at,
        "SELECT DISTINCT x.study_uid AS uid FROM export_item AS x WHERE x.export_pk = export.pk",
        f"SELECT FROM {_SERIES} WHERE s.study_uid = u.uid",
    )


def entry_seen(view: View, at: Parameters) -> str:
    """An entry ``j`` of the journal: a patient with every study, a study, a series or an object; all else is no
    patient's."""
    if not view.narrow:
        return ALL
    named = "CASE WHEN j.target LIKE '{0}:%' THEN substr(j.target, {1}) END"
    seen = " AND ".join([ALL, *within(view, at, series=True)])
    of = (
        f"EXISTS (SELECT FROM {_SERIES} WHERE s.study_uid = {named.format('study', 7)} AND {seen})",
        f"EXISTS (SELECT FROM {_SERIES} WHERE e.series_uid = {named.format('series', 8)} AND {seen})",
        "EXISTS (SELECT FROM instance AS i JOIN series AS e ON e.pk = i.series_pk JOIN study AS s ON s.pk = e.study_pk"
        f" WHERE i.sop_uid = {named.format('instance', 10)} AND {seen})",
        f"(j.target LIKE 'patient:%' AND EXISTS (SELECT FROM study AS s WHERE {_of_patient('s', named)})"
        f" AND NOT EXISTS (SELECT FROM {_SERIES} WHERE {_of_patient('s', named)} AND ({seen}) IS NOT TRUE))",
        "j.target !~ '^(patient|study|series|instance|order|step):'",
    )
    return f"({' OR '.join(of)})"


def deletion_seen(view: View, at: Parameters) -> str:
    """A deletion ``j`` of the journal."""
    if not view.narrow:
        return ALL
    seen = " AND ".join([ALL, *within(view, at, series=True)])
    return f"EXISTS (SELECT FROM {_SERIES} WHERE s.study_uid = j.after ->> 'study' AND {seen})"


def quarantine_seen(view: View, at: Parameters) -> str:
    """An entry ``q`` of quarantine: it is told with codes alone. By place it counts where the object is known; what is
    protected is out of sight where it is."""
    if not view.narrow:
        return ALL
    known = (
        "instance AS i JOIN series AS e ON e.pk = i.series_pk JOIN study AS s ON s.pk = e.study_pk"
        " WHERE i.sop_uid = q.sop_uid"
    )
    seen = " AND ".join([ALL, *within(view, at, series=True)])
    if view.scopes is None:
        return f"NOT EXISTS (SELECT FROM {known} AND ({seen}) IS NOT TRUE)"
    return f"EXISTS (SELECT FROM {known} AND {seen})"


async def demand_target(tx: Connection, who: Principal, action: Action, target: str) -> None:
    """Raise NotFound unless ``target`` ('study:1.2.3', 'patient:7'), as the journal names it, is in sight."""
    view, at = view_for(who, action), Parameters()
    if not view.narrow:
        return
    named = at.add(target)
    if not await tx.fetchval(f"SELECT 1 FROM (SELECT {named} AS target) AS j WHERE {entry_seen(view, at)}", *at.values):
        raise NotFound(f"there is no such {target.partition(':')[0]}")


async def demand_all(tx: Connection, who: Principal, action: Action, pks: Sequence[int], what: str) -> None:
    """Raise NotFound unless every one of these objects is in sight: who may change a part changes no other."""
    view = view_for(who, action)
    if view.narrow and await in_sight(tx, view, list(pks)) != set(pks):
        raise NotFound(f"there is no such {what}")


def demand_whole(who: Principal, action: Action, what: str) -> None:
    """Raise Forbidden for whoever sees a part of the archive only: ``what`` cannot be narrowed to it."""
    if view_for(who, action).narrow:
        raise Forbidden(f"{what}: that needs sight of the whole archive")


def _none_hidden(view: View, at: Parameters, uids: str, there: str) -> str:
    if not view.narrow:
        return ALL
    seen = " AND ".join([ALL, *within(view, at, series=True)])
    return f"NOT EXISTS (SELECT FROM ({uids}) AS u WHERE NOT EXISTS ({there} AND {seen}))"


def _of_patient(study: str, named: str) -> str:
    return f"{study}.patient_pk = ({named.format('patient', 9)})::bigint"
