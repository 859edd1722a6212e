"""``filmroom export``: studies to a folder, a ZIP file or a device, as they are or de-identified for a project."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.deidentification import Project, template_of
from filmroom.archive.export import Export, LeftOut
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

screen = Console(highlight=False)
app = typer.Typer(help="Take studies out, and see who took out what.", no_args_is_help=True)
project = typer.Typer(help="Projects for which objects are de-identified.", no_args_is_help=True)
app.add_typer(project, name="project")


@app.command()
def studies(
    uids: Annotated[list[str], typer.Argument(metavar="STUDY-UID...", help="Study Instance UIDs.")],
    why: Annotated[str, typer.Option("--why", help="The reason; it is recorded.")],
    folder: Annotated[Path | None, typer.Option(help="To this folder, new or empty, with a DICOMDIR.")] = None,
    device: Annotated[str | None, typer.Option(metavar="AETITLE", help="To this registered device.")] = None,
    project: Annotated[str | None, typer.Option(help="De-identified for this project.")] = None,
    trust_pixels: Annotated[
        bool, typer.Option("--trust-pixels", help="Somebody has looked: nothing is burned into the pixels.")
    ] = False,
) -> None:
    """Queue studies for the running server to take out; without folder or device to a ZIP file in the data folder."""
    if folder is not None and device is not None:
        raise typer.BadParameter("either a folder or a device", param_hint="--device")
    kind = "folder" if folder is not None else "device" if device is not None else "zip"
    destination = str(folder.absolute()) if folder is not None else device or ""

    async def work(core: Core) -> Export:
        pk = await core.exports.order(
            SYSTEM, kind, destination, studies=uids, reason=why, project=project, trust_pixels=trust_pixels
        )
        return await core.exports.get(SYSTEM, pk)

    made = with_core(work)
    typer.echo(f"export {made.pk}: {made.total} objects are queued")


@app.command("list")
def list_(
    study: Annotated[str | None, typer.Option(metavar="STUDY-UID", help="Only exports with this study.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show.", min=1)] = 50,
) -> None:
    """List exports, newest first: who, what for, how far."""
    found = with_core(lambda core: core.exports.listed(SYSTEM, study=study, limit=limit))
    table = Table("number", "when", "who", "to", "project", "state", "written", "withheld", "failed", "reason")
    for each in found:
        to = f"{each.kind} {each.destination}".strip()
        counts = (f"{each.written}/{each.total}", str(each.withheld or ""), str(each.failed or ""))
        when = f"{each.created_at:%Y-%m-%d %H:%M}"
        table.add_row(str(each.pk), when, each.principal, to, each.project or "", each.state, *counts, each.reason)
    table.print()


@app.command()
def show(number: Annotated[int, typer.Argument(metavar="NUMBER", help="The export's number.")]) -> None:
    """How an export stands: where it is, what was left out and why, what was done to which attribute."""

    async def work(core: Core) -> tuple[Export, list[LeftOut]]:
        return await core.exports.get(SYSTEM, number), await core.exports.left_out(SYSTEM, number)

    export, left = with_core(work)
    screen.print(f"{export.state} {export.path or export.destination} {export.trouble}".strip())
    for each in left:
        screen.print(f"{each.state} {each.sop_uid}: {each.comment}")
    table = Table("attribute", "what was done", "how often")
    for name, counts in export.report.items():
        for what, count in counts.items():
            table.add_row(name, what, str(count))
    table.print()


@project.command("add")
def add_project(
    name: Annotated[str, typer.Argument(help="What the project is called.")],
    option: Annotated[list[str] | None, typer.Option(help="An option of PS3.15 E.3; may be given again.")] = None,
    prefix: Annotated[str, typer.Option(help="Of Patient IDs.")] = "ANON",
    templates: Annotated[
        Path | None, typer.Option(help="JSON file: a list of {when: condition, black: [[left, top, width, height]]}.")
    ] = None,
) -> None:
    """Add a project, with a new secret of its own."""
    said = json.loads(templates.read_text()) if templates is not None else []

    async def work(core: Core) -> Project:
        places = [template_of(each) for each in said]
        return await core.exports.projects.add(SYSTEM, name, options=option or (), prefix=prefix, templates=places)

    made = with_core(work)
    typer.echo(f"{made.name}: {', '.join(made.options) or 'the basic profile'}")


@project.command("list")
def list_projects() -> None:
    """List the projects."""
    table = Table("name", "prefix", "options", "templates", "added by")
    for each in with_core(lambda core: core.exports.projects.listed(SYSTEM)):
        table.add_row(each.name, each.prefix, ", ".join(each.options), str(len(each.templates)), each.created_by)
    table.print()
