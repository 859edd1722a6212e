"""``filmroom order``: orders for the worklist, and why a modality does not see them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.devices import WorklistPolicy
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.cli.words import language
from filmroom.cli.worklist_words import hint, reason
from filmroom.dicom.asking import path_of
from filmroom.dicom.question import JsonDataset, Range
from filmroom.security.principals import SYSTEM
from filmroom.workflow import attributes
from filmroom.workflow.asking import Asked, read
from filmroom.workflow.candidates import Candidates, one_of
from filmroom.workflow.debugger import Diagnosis, WorklistDebugger
from filmroom.workflow.model import (
    OPEN,
    Code,
    Ordered,
    OrderedPatient,
    OrderedProcedure,
    OrderedStep,
    Placed,
    StepStatus,
)
from filmroom.workflow.mwl import Worklist
from filmroom.workflow.orders import Orders

app = typer.Typer(help="Orders: what the modalities' worklists show.", no_args_is_help=True)

screen = Console(highlight=False, soft_wrap=True)


@app.command()
def add(
    patient_id: Annotated[str, typer.Option(help="The patient's identifier.")],
    name: Annotated[str, typer.Option(help="The patient's name, FAMILY^GIVEN; groups separated by =.")],
    modality: Annotated[str, typer.Option(help="CT, MR, US, DX ...")],
    station: Annotated[
        list[str] | None, typer.Option(help="AE title of a station; may be given more than once.")
    ] = None,
    start: Annotated[datetime | None, typer.Option(help="When it is to begin; now by default.")] = None,
    description: Annotated[str, typer.Option(help="What is to be done.")] = "",
    protocol: Annotated[list[str] | None, typer.Option(help="A protocol code, VALUE^SCHEME^MEANING.")] = None,
    birth_date: Annotated[str, typer.Option(help="YYYYMMDD.")] = "",
    sex: Annotated[str, typer.Option(help="F, M or O.")] = "",
    issuer: Annotated[str, typer.Option(help="Who issued the patient's identifier; empty: this house.")] = "",
    accession: Annotated[str, typer.Option(help="Accession number; one is made when left out.")] = "",
    placer: Annotated[str, typer.Option(help="Placer order number.")] = "",
    study_uid: Annotated[str, typer.Option(help="Study Instance UID; one is made when left out.")] = "",
    requesting: Annotated[str, typer.Option(help="Requesting physician's name.")] = "",
    referring: Annotated[str, typer.Option(help="Referring physician's name.")] = "",
    admission: Annotated[str, typer.Option(help="Admission ID.")] = "",
    location: Annotated[str, typer.Option(help="Where the step takes place.")] = "",
    priority: Annotated[str, typer.Option(help="STAT, HIGH, ROUTINE, MEDIUM or LOW.")] = "ROUTINE",
    reason_text: Annotated[str, typer.Option("--reason", help="Why it is asked for.")] = "",
    extend: Annotated[bool, typer.Option(help="Add to the order that has this accession number.")] = False,
) -> None:
    """Place an order of one procedure with one step."""
    step = OrderedStep(
        modality=modality.upper(),
        start=start or datetime.now().replace(second=0, microsecond=0),  # noqa: DTZ005 - a schedule is in local time
        stations=tuple(station or ()),
        description=description,
        location=location,
        protocols=tuple(_code(one) for one in protocol or ()),
    )
    procedure = OrderedProcedure(
        steps=(step,), description=description, study_uid=study_uid, priority=priority.upper(), reason=reason_text
    )
    order = Ordered(
        patient=OrderedPatient(id=patient_id, issuer=issuer, name=name, birth_date=birth_date, sex=sex),
        procedures=(procedure,),
        accession=accession,
        placer_number=placer,
        requesting=requesting,
        referring=referring,
        admission_id=admission,
    )

    async def work(core: Core) -> Placed:
        return await Orders(core.database, core.clock).add(SYSTEM, order, extend=extend)

    placed = with_core(work)
    typer.echo(f"{placed.accession} {' '.join(placed.step_ids)} {' '.join(placed.study_uids)}")


def _code(text: str) -> Code:
    value, scheme, meaning, *_ = (*text.split("^"), "", "", "")
    return Code(value, scheme or "99LOCAL", meaning or value)


@app.command("list")
def list_(
    day: Annotated[str, typer.Option(help="YYYYMMDD, or a range YYYYMMDD-YYYYMMDD; every day when left out.")] = "",
    modality: Annotated[str, typer.Option(help="Of this modality only.")] = "",
    accession: Annotated[str, typer.Option(help="Of this order only.")] = "",
    closed: Annotated[bool, typer.Option("--all", help="Steps that are over too.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 200,
) -> None:
    """List scheduled steps by start."""
    wanted = Candidates(
        keys=(one_of(attributes.ACCESSION, "SH", accession),) if accession else (),
        statuses=frozenset(StepStatus) if closed else OPEN,
        modalities=frozenset({modality.upper()}) if modality else None,
        days=_days(day),
    )

    async def work(core: Core) -> Table:
        table = Table(*_COLUMNS)
        for one in await Orders(core.database, core.clock).steps(SYSTEM, wanted, limit):
            start = f"{one.start_date} {one.start_time[:2]}:{one.start_time[2:4]}"
            where = f"{one.modality} {' '.join(one.stations)}"
            who = f"{one.patient_id} {one.patient_name}"
            table.add_row(start, one.status.value, where, who, one.description, one.accession, one.step_id)
        return table

    with_core(work).print()


_COLUMNS = ("start", "status", "station", "patient", "description", "accession", "step")


def _days(text: str) -> Range:
    low, dash, high = text.partition("-")
    return Range(low, high if dash else low)


@app.command()
def cancel(
    accession: Annotated[str, typer.Argument(help="The order's accession number.")],
    why: Annotated[str, typer.Option(help="The reason, for the journal.")] = "",
) -> None:
    """Call an order off: its open steps leave the worklists."""

    async def work(core: Core) -> list[str]:
        return await Orders(core.database, core.clock).cancel(SYSTEM, accession, why=why)

    steps = with_core(work)
    typer.echo(f"{accession}: {len(steps)} steps cancelled" + (f" ({' '.join(steps)})" if steps else ""))


@app.command("worklist-queries")
def worklist_queries(
    calling: Annotated[str, typer.Option(help="Of this AE title only.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 20,
) -> None:
    """List the last worklist queries that modalities asked, newest first."""

    async def work(core: Core) -> Table:
        table = Table("number", "when", "calling", "matches", "status", "ms")
        for one in await Worklist(core.database, core.clock).captured(SYSTEM, calling, limit):
            when = f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}"
            row = (str(one.pk), when, one.calling_ae, str(one.matches), f"{one.status:04X}", f"{one.took_ms:.0f}")
            table.add_row(*row)
        return table

    with_core(work).print()


@app.command("worklist-debug")
def worklist_debug(
    number: Annotated[
        int, typer.Option(help="A query of worklist-queries; the newest when nothing else is given.")
    ] = 0,
    calling: Annotated[str, typer.Option(help="Ask as this AE title; or the newest query of it.")] = "",
    key: Annotated[
        list[str] | None,
        typer.Option(help="Build a query instead: KEYWORD=VALUE, ScheduledProcedureStepSequence.KEYWORD=VALUE."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A query as DICOM JSON in a file.")] = None,
    day: Annotated[str, typer.Option(help="Look at the steps of this day, YYYYMMDD.")] = "",
) -> None:
    """Say for every step of the day which key of a modality's query removed it."""

    given: JsonDataset | None = built(key) if key else None
    if file is not None:
        given = json.loads(file.read_text(encoding="utf-8"))

    async def work(core: Core) -> tuple[Asked, Diagnosis, str]:
        identifier, caller, fuzzy = (given, calling, False) if given else await _captured(core, number, calling)
        device = await core.devices.find(caller) if caller else None
        policy = device.policy.worklist if device is not None else WorklistPolicy()
        asked = read(identifier, calling_ae=caller, policy=policy, fuzzy=fuzzy)
        found = await WorklistDebugger(core.database, core.clock).explain(SYSTEM, asked, day=day)
        return asked, found, language(core.settings.language)

    show(*with_core(work))


async def _captured(core: Core, number: int, calling: str) -> tuple[JsonDataset, str, bool]:
    """A remembered query, who asked it, and whether names are fuzzy. Raises NoSuchOrder."""
    worklist = Worklist(core.database, core.clock)
    last = [] if number else await worklist.captured(SYSTEM, calling, 1)
    kept = last[0] if last else await worklist.captured_query(SYSTEM, number)
    return kept.identifier, calling or kept.calling_ae, kept.fuzzy


def built(keys: list[str]) -> JsonDataset:
    """A query from ``KEYWORD=VALUE``, dots between a sequence and what is in it. Raises RemoteFault."""
    query: JsonDataset = {}
    for each in keys:
        name, _, value = each.partition("=")
        path = path_of(name)
        place: dict[str, Any] = query
        for tag in path[:-1]:
            place = place.setdefault(f"{tag:08X}", {"vr": "SQ", "Value": [{}]})["Value"][0]
        place |= attributes.element(path[-1], *value.split("\\"))
    return query


def show(asked: Asked, found: Diagnosis, tongue: str) -> None:
    """The verdicts, a step a paragraph; what removed how many steps (and how many alone); what strikes."""
    day = found.day.low if found.day.low == found.day.high else f"{found.day.low}-{found.day.high}"
    for verdict in found.verdicts:
        one = verdict.step
        start = f"{one.start_date} {one.start_time[:2]}:{one.start_time[2:4]}"
        shown = {"en": "shown", "zh": "显示"}[tongue] if verdict.shown else ""
        where = " ".join(one.stations)
        screen.print(f"{start}  {one.modality} {where}  {one.step_id} {one.accession}  {one.patient_name}  {shown}")
        for each in verdict.reasons:
            screen.print(f"    {reason(tongue, each)}")
    screen.print(f"{asked.calling_ae or '-'}  {day}  {found.shown} / {len(found.verdicts)}")
    for name, count in sorted(found.kills.items(), key=lambda pair: -pair[1]):
        screen.print(f"  {name}: {count} ({found.alone.get(name, 0)})")
    for code in found.hints:
        screen.print(f"  {hint(tongue, code)}")
