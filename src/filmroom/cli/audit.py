"""``filmroom audit``: the record of who did what."""

import csv
import sys
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from filmroom.app.core import Core
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.audit import AuditKind
from filmroom.security.audit_chain import text_of
from filmroom.security.audit_messages import dicom_xml, fhir
from filmroom.security.audit_reading import Asked, Found, Verdict
from filmroom.security.audit_sheet import cells
from filmroom.security.principals import SYSTEM

app = typer.Typer(help="The record of who did what: verify it, search it, take it out.", no_args_is_help=True)

Patient = Annotated[str, typer.Option(help="Patient ID.")]
Study = Annotated[str, typer.Option(help="Study Instance UID.")]
Who = Annotated[str, typer.Option(help="Who did it: a name, or an id such as person:7 or device:CT1.")]
Kind = Annotated[list[str] | None, typer.Option(help="A kind, may be given more than once: accessed, query, login ...")]
Since = Annotated[datetime | None, typer.Option(help="From this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Up to this time (UTC).")]


@app.command()
def verify(
    noted: Annotated[
        str, typer.Option(help="A number and hash written down earlier, as NUMBER:HASH; they must still be there.")
    ] = "",
) -> None:
    """Verify the whole trail: every change, insertion or deletion since is found and named."""
    number, _, hashed = noted.partition(":")
    try:
        written = (int(number), bytes.fromhex(hashed).hex()) if noted else None
    except ValueError as error:
        raise typer.BadParameter("is a number, a colon and a hash") from error

    async def work(core: Core) -> Verdict:
        return await core.keeping.reading.verify(SYSTEM, written_down=written)

    verdict = with_core(work)
    for fault in verdict.faults:
        typer.echo(f"{fault.seq}: {fault.what}", err=True)
    typer.echo(f"{verdict.records} records, the last is {verdict.last}:{verdict.hash}")
    if not verdict.good:
        typer.echo("The trail is not what was written.", err=True)
        raise typer.Exit(1)
    typer.echo("The trail is whole.")


@app.command()
def search(
    patient: Patient = "",
    study: Study = "",
    who: Who = "",
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most records that are shown.")] = 50,
) -> None:
    """Show records, newest first."""
    asked = _asked(patient, study, who, kind, since, until)

    async def work(core: Core) -> list[Found]:
        return await core.keeping.reading.search(SYSTEM, asked, limit)

    table = Table("number", "at", "who", "door", "what", "patients", "studies", "")
    for each in with_core(work):
        event = each.event
        table.add_row(
            str(each.seq),
            event.at.strftime("%Y-%m-%d %H:%M:%S"),
            f"{event.who_name} ({event.who})",
            f"{event.door} {event.address}".strip(),
            event.kind.value if event.what in ("", event.kind.value) else f"{event.kind.value}: {event.what}",
            ", ".join(patient.id for patient in event.patients),
            ", ".join(event.studies),
            "" if event.outcome == 0 else "failed",
        )
    table.print()


@app.command()
def export(
    format: Annotated[str, typer.Option(help="dicom (XML messages), fhir, json or csv; one record a line.")] = "json",
    patient: Patient = "",
    study: Study = "",
    who: Who = "",
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write records to the standard output, newest first."""
    if format not in {"dicom", "fhir", "json", "csv"}:
        raise typer.BadParameter("is dicom, fhir, json or csv", param_hint="--format")
    asked = _asked(patient, study, who, kind, since, until)

    async def work(core: Core) -> None:
        source = core.settings.dimse.ae_title
        rows = csv.writer(sys.stdout)
        async for each in core.keeping.reading.export(SYSTEM, asked):
            if format == "csv":
                rows.writerow(cells(each))
            else:
                sys.stdout.write(_line(each, format, source) + "\n")

    with_core(work)


def _line(found: Found, format: str, source: str) -> str:
    if format == "dicom":
        return dicom_xml(found.event, source).decode()
    if format == "fhir":
        return orjson.dumps(fhir(found.event, source)).decode()
    return f'{{"seq":{found.seq},{text_of(found.event)[1:]}'


def _asked(
    patient: str, study: str, who: str, kinds: list[str] | None, since: datetime | None, until: datetime | None
) -> Asked:
    known = {kind.value: kind for kind in AuditKind}
    if unknown := set(kinds or ()) - set(known):
        raise typer.BadParameter(f"there is no kind {min(unknown)}; there are {', '.join(known)}", param_hint="--kind")
    return Asked(
        patient=patient,
        study=study,
        who=who,
        kinds=tuple(known[name] for name in kinds or ()),
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
    )
