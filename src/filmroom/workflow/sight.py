"""Orders, scheduled and performed steps and work items that somebody sees (security.view), as SQL conditions.

The decision is that for studies, made before paging and counting. An order stands for the studies it will become: it
lies in a scope by its own site, department, modality, referring physician and patient, or brings itself with a study of
its patient where the scope brings earlier ones. What only names a study is in sight with that study, or its order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from filmroom.db.pool import Connection
from filmroom.dicom.question import Level
from filmroom.index.query_terms import Parameters, any_of
from filmroom.index.query_view import visible, within
from filmroom.security.principals import Principal
from filmroom.security.scopes import Scope
from filmroom.security.view import View

# Of what is in sight, how those say it who see everything.
ALL: Final = "true"


def step_seen(view: View, at: Parameters) -> str:
    """A scheduled step ``s`` with its procedure ``r`` and its order ``o``."""
    if not _limited(view):
        return ALL
    parts = []
    if view.departments:
        names = at.add(sorted(view.departments), "text[]")
        parts.append(f"o.department_pk IN (SELECT pk FROM department WHERE name = ANY({names}))")
    if view.modalities:
        parts.append(f"s.modality = ANY({at.add(sorted(view.modalities), 'text[]')})")
    allowed = []
    if view.veiled:
        allowed.append("NOT EXISTS (SELECT FROM protected_patient AS q WHERE q.patient_pk = o.patient_pk)")
    if view.scopes is not None:
        allowed.append(any_of(_scope(view, scope, at) for scope in view.scopes))
    if allowed:
        parts.append(f"(({' AND '.join(allowed)}) OR {_broken(view, at, 'b.patient_pk = o.patient_pk')})")
    return "(" + " AND ".join([ALL, *parts]) + ")"


def order_seen(view: View, at: Parameters) -> str:
    """An order ``o``: with any of its steps."""
    if not _limited(view):
        return ALL
    return (
        "EXISTS (SELECT FROM scheduled_step AS s JOIN requested_procedure AS r ON r.pk = s.procedure_pk"
        f" WHERE s.order_pk = o.pk AND {step_seen(view, at)})"
    )


def item_seen(view: View, at: Parameters) -> str:
    """A work item ``w``."""
    return _by_study(view, at, "ARRAY[w.study_uid]", "w.patient_id")


def performed_seen(view: View, at: Parameters, who: Principal) -> str:
    """A performed step ``m``; a device sees those that it sent itself."""
    seen = _by_study(view, at, "m.study_uids", "m.attributes -> '00100020' -> 'Value' ->> 0")
    if seen == ALL or not who.id.startswith("device:"):
        return seen
    return f"({seen} OR m.source = {at.add(who.name)})"


def _limited(view: View) -> bool:
    """Whether anything is kept out of sight of what has no images yet: age and station are those of images."""
    return bool(view.departments or view.modalities or view.scopes is not None or view.veiled)


def _scope(view: View, scope: Scope, at: Parameters) -> str:
    own = " AND ".join([ALL, *_of_scope(view, scope, at), *_harmless(scope, at)])
    if not scope.priors:
        return f"({own})"
    study = replace(view, scopes=(replace(scope, priors=False),), veiled=False)
    there = visible(view)
    current = " AND ".join([there[Level.STUDY], there[Level.SERIES], *within(study, at, series=True)])
    harmless = " AND ".join([ALL, *_harmless(scope, at)])
    return (
        f"(({own}) OR ({harmless} AND EXISTS (SELECT FROM study AS s JOIN series AS e ON e.study_pk = s.pk"
        f" WHERE s.patient_pk = o.patient_pk AND {current})))"
    )


def _of_scope(view: View, scope: Scope, at: Parameters) -> Iterable[str]:
    for names, column, table in ((scope.sites, "site_pk", "site"), (scope.departments, "department_pk", "department")):
        if names:
            yield f"o.{column} IN (SELECT pk FROM {table} WHERE name = ANY({at.add(sorted(names), 'text[]')}))"
    if scope.modalities:
        yield f"s.modality = ANY({at.add(sorted(scope.modalities), 'text[]')})"
    if scope.patient_lists:
        names_of = at.add(sorted(scope.patient_lists), "text[]")
        yield (
            "EXISTS (SELECT FROM patient_list_member AS l JOIN patient_list AS n ON n.pk = l.list_pk"
            f" WHERE l.patient_pk = o.patient_pk AND n.name = ANY({names_of}))"
        )
    if scope.studies:
        yield f"r.study_uid = ANY({at.add(sorted(scope.studies), 'text[]')})"
    if scope.referring_me:
        yield f"o.referring = ANY({at.add(sorted(view.names), 'text[]')})"
    if scope.assigned_to_me:
        yield (
            "EXISTS (SELECT FROM study AS c JOIN study_assignee AS g ON g.study_pk = c.pk"
            f" WHERE c.study_uid = r.study_uid AND g.principal = {at.add(view.me)})"
        )


def _harmless(scope: Scope, at: Parameters) -> Iterable[str]:
    if scope.deidentified_only:
        yield (
            "EXISTS (SELECT FROM patient AS d WHERE d.pk = o.patient_pk"
            ' AND d.attributes @> \'{"00120062": {"Value": ["YES"]}}\')'
        )
    if scope.max_sensitivity is not None:
        most = at.add(scope.max_sensitivity, "int")
        yield (
            "NOT EXISTS (SELECT FROM study AS c WHERE c.study_uid = r.study_uid AND c.state = 'visible'"
            f" AND c.sensitivity > {most})"
        )


def _by_study(view: View, at: Parameters, studies: str, patient: str) -> str:
    """What names studies and a patient: all of its studies are in sight, and so is the patient."""
    if not view.narrow:
        return ALL
    there = visible(view)
    study = " AND ".join([there[Level.STUDY], there[Level.SERIES], *within(view, at, series=True)])
    known = [
        f"EXISTS (SELECT FROM study AS s JOIN series AS e ON e.study_pk = s.pk WHERE s.study_uid = u.uid AND {study})",
        "EXISTS (SELECT FROM requested_procedure AS r JOIN imaging_order AS o ON o.pk = r.order_pk"
        f" JOIN scheduled_step AS s ON s.procedure_pk = r.pk WHERE r.study_uid = u.uid AND {step_seen(view, at)})",
    ]
    if view.scopes is not None or _by_place(view):
        named = f"cardinality(array_remove({studies}, '')) > 0"
    else:  # only protected patients are kept out of sight: what nobody knows of is none of theirs
        named = ALL
        known.append(
            "NOT EXISTS (SELECT FROM study AS s WHERE s.study_uid = u.uid UNION ALL"
            " SELECT FROM requested_procedure AS r WHERE r.study_uid = u.uid)"
        )
    hidden = f"(SELECT FROM unnest(array_remove({studies}, '')) AS u (uid) WHERE NOT ({' OR '.join(known)}))"
    parts = [named, f"NOT EXISTS {hidden}"]
    if view.veiled:
        theirs = f"EXISTS (SELECT FROM patient_identifier AS i WHERE i.value = {patient} AND i.patient_pk = "
        broken = _broken(view, at, f"{theirs}b.patient_pk)")
        parts.append(f"(NOT EXISTS (SELECT FROM protected_patient AS q WHERE {theirs}q.patient_pk)) OR {broken})")
    return "(" + " AND ".join(parts) + ")"


def _by_place(view: View) -> bool:
    return bool(view.departments or view.modalities or view.stations or view.max_age_days is not None)


def _broken(view: View, at: Parameters, whose: str) -> str:
    return (
        f"EXISTS (SELECT FROM broken_glass AS b WHERE {whose}"
        f" AND b.principal = {at.add(view.me)} AND b.ended_by = '' AND b.expires_at > now())"
    )


async def expected_in_sight(connection: Connection, view: View, uids: Sequence[str], /) -> set[str]:
    """Of studies that have no images yet, those of orders that are in sight, by Study Instance UID."""
    at = Parameters()
    wanted = at.add(list(uids), "text[]")
    rows = await connection.fetch(
        "SELECT r.study_uid FROM requested_procedure AS r JOIN imaging_order AS o ON o.pk = r.order_pk"
        f" JOIN scheduled_step AS s ON s.procedure_pk = r.pk WHERE r.study_uid = ANY({wanted})"
        " AND NOT EXISTS (SELECT FROM study AS c WHERE c.study_uid = r.study_uid)"
        f" AND {step_seen(view, at)}",
        *at.values,
    )
    return {row["study_uid"] for row in rows}
