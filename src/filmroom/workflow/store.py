"""The rows of orders: the only file that writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from filmroom.base.ids import StudyUid
from filmroom.db.pool import Connection
from filmroom.db.queries import load
from filmroom.dicom.dates import time_value
from filmroom.dicom.question import JsonDataset
from filmroom.index.narrowed import rows_seen
from filmroom.security.view import View
from filmroom.workflow import attributes
from filmroom.workflow.model import Ordered, OrderedStep, OrderRow, StepStatus
from filmroom.workflow.sight import order_seen, step_seen

_sql = load("filmroom.workflow", "orders.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedStep:
    """A step whose row this transaction holds."""

    pk: int
    order_pk: int
    step_id: str
    status: StepStatus
    stations: tuple[str, ...]
    start_date: str
    start_time: str
    study_uid: StudyUid
    attributes: Mapping[str, Any]


async def file_patient(tx: Connection, at: datetime, record: Mapping[str, Any]) -> int:
    """The patient that ``record`` means, made when there is none yet."""
    pk: int = await _sql.file_patient.value(tx, at=at, record=record)
    return pk


async def next_number(tx: Connection, kind: str) -> int:
    """A number never given before, for an ``accession``, a ``procedure`` or a ``step``."""
    number: int = await getattr(_sql, f"next_{kind}").value(tx)
    return number


async def add_order(tx: Connection, at: datetime, order: Ordered, patient_pk: int, accession: str) -> int | None:
    """Its key; None when another order has the accession number."""
    pk: int | None = await _sql.add_order.value(
        tx,
        at=at,
        patient_pk=patient_pk,
        patient_id=order.patient.id,
        patient_issuer=order.patient.issuer,
        accession=accession,
        accession_issuer=order.accession_issuer,
        placer_number=order.placer_number,
        filler_number=order.filler_number,
        admission_id=order.admission_id,
        attributes=attributes.order_attributes(order, accession),
        site_pk=order.site_pk,
        department_pk=order.department_pk,
        referring=attributes.referring(order),
    )
    return pk


async def find_order(tx: Connection, accession: str, accession_issuer: str, view: View) -> Any | None:
    """The order's row (pk, patient_pk, accession, accession_issuer, state), locked; None out of sight."""
    seen = partial(order_seen, view)
    rows = await rows_seen(tx, _sql.find_order, seen, accession=accession, accession_issuer=accession_issuer)
    return rows[0] if rows else None


async def step_in_sight(tx: Connection, view: View, pk: int) -> bool:
    """Whether somebody with this view sees a step."""
    return not view.narrow or bool(await rows_seen(tx, _sql.step_seen, partial(step_seen, view), pk=pk))


async def list_orders(connection: Connection, view: View, **wanted: Any) -> list[OrderRow]:
    """Orders that are in sight, newest first."""
    rows = await rows_seen(connection, _sql.list_orders, partial(order_seen, view), **wanted)
    return [OrderRow(**dict(row)) for row in rows]


async def touch_order(tx: Connection, at: datetime, pk: int, state: str | None = None) -> None:
    """The order has changed."""
    await _sql.touch_order.run(tx, at=at, pk=pk, state=state)


async def add_procedure(
    tx: Connection, order_pk: int, procedure_id: str, study_uid: StudyUid, held: JsonDataset
) -> int | None:
    """Its key; None when the order has a procedure of this id."""
    pk: int | None = await _sql.add_procedure.value(
        tx, order_pk=order_pk, procedure_id=procedure_id, study_uid=study_uid, attributes=held
    )
    return pk


async def add_step(
    tx: Connection, at: datetime, order_pk: int, procedure_pk: int, step_id: str, step: OrderedStep
) -> int | None:
    """Its key; None when the procedure has a step of this id."""
    pk: int | None = await _sql.add_step.value(
        tx,
        at=at,
        order_pk=order_pk,
        procedure_pk=procedure_pk,
        step_id=step_id,
        stations=list(step.stations),
        modality=step.modality,
        start_date=f"{step.start:%Y%m%d}",
        start_time=time_value(f"{step.start:%H%M%S}"),
        status=step.status.value,
        attributes=attributes.step_attributes(step, step_id),
    )
    return pk


async def lock_steps(tx: Connection, pks: Sequence[int]) -> list[LockedStep]:
    """Those of ``pks`` that exist, by key, held until the transaction ends."""
    rows = await _sql.lock_steps.all(tx, pks=list(pks))
    return [
        LockedStep(
            pk=row["pk"],
            order_pk=row["order_pk"],
            step_id=row["step_id"],
            status=StepStatus(row["status"]),
            stations=tuple(row["stations"]),
            start_date=row["start_date"],
            start_time=row["start_time"],
            study_uid=StudyUid(row["study_uid"]),
            attributes=row["attributes"],
        )
        for row in rows
    ]


async def steps_of_order(tx: Connection, order_pk: int) -> list[int]:
    """The keys of an order's steps."""
    return [row["pk"] for row in await _sql.steps_of_order.all(tx, order_pk=order_pk)]


async def set_status(tx: Connection, at: datetime, pk: int, status: StepStatus) -> None:
    """A step has this status now."""
    await _sql.set_status.run(tx, at=at, pk=pk, status=status.value)


async def set_schedule(
    tx: Connection, at: datetime, step: LockedStep, status: StepStatus, start: datetime, stations: Sequence[str]
) -> None:
    """A step is to begin at another time or place."""
    held = {
        **step.attributes,
        **attributes.element(attributes.STATION, *stations),
        **attributes.start_attributes(start),
    }
    await _sql.set_schedule.run(
        tx,
        at=at,
        pk=step.pk,
        status=status.value,
        stations=list(stations),
        start_date=f"{start:%Y%m%d}",
        start_time=time_value(f"{start:%H%M%S}"),
        attributes=held,
    )


async def add_journal(
    tx: Connection, at: datetime, who: str, why: str, action: str, target: str, before: Any, after: Any
) -> None:
    """Who changed what, and why."""
    await _sql.add_journal.run(tx, at=at, who=who, why=why, action=action, target=target, before=before, after=after)
