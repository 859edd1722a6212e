"""Orders: placed, called off, moved, and the life of their steps. One transaction each, with journal and facts."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from filmroom.base.clock import Clock, SystemClock
from filmroom.base.facts import OrderCancelled, OrderScheduled, StepChanged
from filmroom.base.ids import StudyUid, ae_title
from filmroom.db import feed
from filmroom.db.pool import Connection, Database
from filmroom.dicom.dates import date_value
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.workflow import attributes, numbers, store
from filmroom.workflow.candidates import Candidates, Entry, entries, one_of, steps
from filmroom.workflow.model import (
    BadOrder,
    NoSuchOrder,
    Ordered,
    OrderedProcedure,
    OrderedStep,
    OrderExists,
    OrderRow,
    OrderRules,
    Placed,
    Step,
    StepEvent,
    StepStatus,
    after,
)

# Accession numbers that other systems gave may lie in the way of ours; so many in a row do not.
ACCESSION_TRIES = 50
MAX_LIST = 1000


class Orders:
    """The use cases of orders. Placing and changing needs the right to store, as images of them do."""

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        rules: OrderRules | None = None,
        *,
        random_128_bits: Callable[[], int] = lambda: uuid.uuid4().int,
    ) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._rules = rules or OrderRules()
        self._random = random_128_bits

    async def add(self, who: Principal, order: Ordered, *, extend: bool = False, why: str = "") -> Placed:
        """Place an order; what it lacks is generated, its patient made when unknown.

        ``extend``: an order that has the accession number, for the same patient, gets the procedures as further ones.
        Raises BadOrder, OrderExists, Forbidden.
        """
        demand(who, Action.STORE)
        _check(order)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            patient_pk = await store.file_patient(tx, at, attributes.patient_record(order.patient))
            order_pk, accession = await self._order(tx, at, who, order, patient_pk, extend)
            made = [await self._procedure(tx, at, order_pk, accession, order, each) for each in order.procedures]
            placed = Placed(
                order_pk=order_pk,
                accession=accession,
                study_uids=tuple(uid for _, uid, _ in made),
                procedure_ids=tuple(procedure for procedure, _, _ in made),
                step_ids=tuple(step for *_, found in made for step in found),
            )
            ids = {"accession": accession, "procedures": placed.procedure_ids, "steps": placed.step_ids}
            await store.add_journal(tx, at, who.id, why, "order-placed", f"order:{order_pk}", None, ids)
            fact = OrderScheduled(
                order_id=order_pk, accession=accession, study_uids=placed.study_uids, step_ids=placed.step_ids
            )
            await feed.append(tx, [fact], at)
        return placed

    async def cancel(self, who: Principal, accession: str, *, issuer: str = "", why: str = "") -> list[str]:
        """Call an order off; the ids of the steps that this changed. Steps under way become discontinued.

        Raises NoSuchOrder, Forbidden.
        """
        demand(who, Action.STORE)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            row = await store.find_order(tx, accession, issuer, view_for(who, Action.STORE))
            if row is None:
                raise NoSuchOrder(f"no order has accession number {accession}")
            held = await store.lock_steps(tx, await store.steps_of_order(tx, row["pk"]))
            going = [step for step in held if step.status not in _ENDED]
            facts = [await change(tx, at, who, step, StepEvent.CANCELLED, why) for step in going]
            await store.touch_order(tx, at, row["pk"], "CANCELED")
            await store.add_journal(
                tx, at, who.id, why, "order-cancelled", f"order:{row['pk']}", row["state"], "CANCELED"
            )
            await feed.append(tx, [*facts, OrderCancelled(order_id=row["pk"], accession=accession)], at)
        return [step.step_id for step in going]

    async def tell(self, who: Principal, step_pk: int, event: StepEvent, *, why: str = "") -> StepStatus:
        """Something happened to a step; its status now. Raises WrongState, NoSuchOrder, Forbidden."""
        demand(who, Action.STORE)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            step = await _locked(tx, who, step_pk)
            fact = await change(tx, at, who, step, event, why)
            await feed.append(tx, [fact], at)
        return StepStatus(fact.after)

    async def reschedule(
        self,
        who: Principal,
        step_pk: int,
        *,
        start: datetime | None = None,
        stations: Sequence[str] | None = None,
        why: str = "",
    ) -> None:
        """Give a step another time or other stations. Raises WrongState once it has begun, NoSuchOrder, Forbidden."""
        demand(who, Action.STORE)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            step = await _locked(tx, who, step_pk)
            status = after(step.status, StepEvent.RESCHEDULED)
            begin = start or datetime.strptime(step.start_date + step.start_time, "%Y%m%d%H%M%S.%f")  # noqa: DTZ007
            places = step.stations if stations is None else tuple(ae_title(one) for one in stations)
            await store.set_schedule(tx, at, step, status, begin, places)
            before = {"start": step.start_date + step.start_time, "stations": step.stations}
            now = {"start": f"{begin:%Y%m%d%H%M%S}", "stations": places}
            await store.add_journal(tx, at, who.id, why, "step-rescheduled", f"step:{step.pk}", before, now)
            await feed.append(tx, [_changed(step, status, StepEvent.RESCHEDULED)], at)

    async def steps(self, who: Principal, wanted: Candidates, limit: int = MAX_LIST) -> list[Step]:
        """Steps by start. Raises Forbidden."""
        demand(who, Action.VIEW)
        async with self._database.connection() as connection:
            return await steps(connection, _in_sight(who, wanted), min(limit, MAX_LIST))

    async def page(
        self, who: Principal, wanted: Candidates, limit: int, after: tuple[str, str, int] | None = None
    ) -> list[Entry]:
        """Steps by start with their place, those that follow ``after``. Raises Forbidden, Unavailable."""
        demand(who, Action.VIEW)
        async with self._database.connection() as connection:
            return await entries(connection, _in_sight(who, wanted), min(limit, MAX_LIST + 1), after)

    async def listed(
        self,
        who: Principal,
        *,
        accession: str = "",
        issuer: str | None = None,
        patient_id: str = "",
        state: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> list[OrderRow]:
        """Orders, newest first. Raises Forbidden, Unavailable."""
        demand(who, Action.VIEW)
        async with self._database.connection() as connection:
            return await store.list_orders(
                connection,
                view_for(who, Action.VIEW),
                accession=accession,
                issuer=issuer,
                patient_id=patient_id,
                state=state,
                before=before,
                limit=min(limit, MAX_LIST + 1),
            )

    async def order(self, who: Principal, accession: str, *, issuer: str = "") -> tuple[OrderRow, list[Step]]:
        """One order with all its steps. Raises NoSuchOrder, Forbidden, Unavailable."""
        found = await self.listed(who, accession=accession, issuer=issuer, limit=1)
        if not found or not accession:
            raise NoSuchOrder("there is no such order")
        key = one_of(attributes.ACCESSION, "SH", accession)
        held = await self.steps(who, Candidates(keys=(key,), statuses=frozenset(StepStatus)))
        return found[0], [step for step in held if step.order_pk == found[0].pk]

    # Parts of an order

    async def _order(
        self, tx: Connection, at: datetime, who: Principal, order: Ordered, patient_pk: int, extend: bool
    ) -> tuple[int, str]:
        if not order.accession:
            return await self._numbered(tx, at, order, patient_pk)
        pk = await store.add_order(tx, at, order, patient_pk, order.accession)
        if pk is not None:
            return pk, order.accession
        row = await store.find_order(tx, order.accession, order.accession_issuer, view_for(who, Action.STORE))
        if row is None or not extend or row["patient_pk"] != patient_pk:
            raise OrderExists(f"another order has accession number {order.accession}")
        await store.touch_order(tx, at, row["pk"])
        return row["pk"], order.accession

    async def _numbered(self, tx: Connection, at: datetime, order: Ordered, patient_pk: int) -> tuple[int, str]:
        for _ in range(ACCESSION_TRIES):
            number = await store.next_number(tx, "accession")
            accession = numbers.identifier(self._rules.accession, number, at)
            pk = await store.add_order(tx, at, order, patient_pk, accession)
            if pk is not None:
                return pk, accession
        raise OrderExists(f"no free accession number was found in {ACCESSION_TRIES} tries")

    async def _procedure(
        self, tx: Connection, at: datetime, order_pk: int, accession: str, order: Ordered, procedure: OrderedProcedure
    ) -> tuple[str, StudyUid, list[str]]:
        rules = self._rules
        procedure_id = procedure.id
        if not procedure_id:
            procedure_id = numbers.identifier(rules.procedure_id, await store.next_number(tx, "procedure"), at)
        uid = (
            numbers.echoed(procedure.study_uid)
            if procedure.study_uid
            else numbers.study_uid(rules.study_uid, accession, order.accession_issuer, procedure_id, self._random())
        )
        held = attributes.procedure_attributes(procedure, procedure_id, uid)
        pk = await store.add_procedure(tx, order_pk, procedure_id, uid, held)
        if pk is None:
            raise OrderExists(f"the order has a procedure {procedure_id} already")
        return procedure_id, uid, [await self._step(tx, at, order_pk, pk, step) for step in procedure.steps]

    async def _step(self, tx: Connection, at: datetime, order_pk: int, procedure_pk: int, step: OrderedStep) -> str:
        step_id = step.id or numbers.identifier(self._rules.step_id, await store.next_number(tx, "step"), at)
        if await store.add_step(tx, at, order_pk, procedure_pk, step_id, step) is None:
            raise OrderExists(f"the procedure has a step {step_id} already")
        return step_id


_ENDED = frozenset({StepStatus.COMPLETED, StepStatus.CANCELLED, StepStatus.DISCONTINUED})


async def change(
    tx: Connection, at: datetime, who: Principal, step: store.LockedStep, event: StepEvent, why: str = ""
) -> StepChanged:
    """Let ``event`` happen to a step; the fact is the caller's to append. Raises WrongState."""
    status = after(step.status, event)
    await store.set_status(tx, at, step.pk, status)
    before, now = step.status.value, status.value
    await store.add_journal(tx, at, who.id, why, f"step-{event.value}", f"step:{step.pk}", before, now)
    return _changed(step, status, event)


def _changed(step: store.LockedStep, status: StepStatus, event: StepEvent) -> StepChanged:
    return StepChanged(
        step_pk=step.pk,
        step_id=step.step_id,
        study_uid=step.study_uid,
        before=step.status.value,
        after=status.value,
        event=event.value,
    )


def _in_sight(who: Principal, wanted: Candidates) -> Candidates:
    return replace(wanted, view=view_for(who, Action.VIEW))


async def _locked(tx: Connection, who: Principal, pk: int) -> store.LockedStep:
    held = await store.lock_steps(tx, [pk])
    if not held or not await store.step_in_sight(tx, view_for(who, Action.STORE), pk):
        raise NoSuchOrder("there is no such step")
    return held[0]


def _check(order: Ordered) -> None:
    """Raise BadOrder for what no worklist could show (PS3.4 table K.6-1, type 1)."""
    patient = order.patient
    if not patient.id.strip() or not patient.name.strip("^= "):
        raise BadOrder("an order needs the patient's identifier and name")
    if patient.birth_date and not date_value(patient.birth_date):
        raise BadOrder("the birth date is no date (YYYYMMDD)")
    if not order.procedures or not all(procedure.steps for procedure in order.procedures):
        raise BadOrder("an order needs a procedure, and a procedure a step")
    _check_length(order.accession, "accession number")
    for procedure in order.procedures:
        _check_length(procedure.id, "procedure id")
        for step in procedure.steps:
            _check_step(step)


def _check_step(step: OrderedStep) -> None:
    _check_length(step.id, "step id")
    _check_length(step.modality, "modality")
    if not step.modality:
        raise BadOrder("a step needs its modality")
    for station in step.stations:
        try:
            ae_title(station)
        except ValueError as error:
            raise BadOrder(str(error)) from None


def _check_length(text: str, what: str) -> None:
    if len(text) > numbers.MAX_IDENTIFIER or "\\" in text:
        raise BadOrder(f"the {what} is longer than {numbers.MAX_IDENTIFIER} characters or holds a backslash")
