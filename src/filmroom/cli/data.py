"""``filmroom import`` and ``filmroom quarantine``: what comes in by hand, and what could not be filed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from filmroom.app.core import Core
from filmroom.archive.importer import Summary, import_path
from filmroom.archive.model import Stored
from filmroom.archive.quarantine import Entry
from filmroom.cli.corrections import assignment
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

screen = Console(highlight=False)
quarantine = typer.Typer(help="Objects that could not be filed: list, try again, give up.", no_args_is_help=False)


def import_(
    path: Annotated[Path, typer.Argument(help="A file, a folder, a ZIP file or a DICOMDIR.", exists=True)],
) -> None:
    """File DICOM objects from disk. Can be repeated and resumed: what is there already is not filed twice."""

    async def work(core: Core) -> Summary:
        return await file_with_progress(core, path, title="Filing")

    summary = with_core(work)
    tell(summary)
    if summary.failed.total():
        raise typer.Exit(1)


async def file_with_progress(core: Core, path: Path, *, title: str) -> Summary:
    """Import ``path`` with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as progress:
        task = progress.add_task(title, total=None)

        def seen(summary: Summary, total: int | None) -> None:
            progress.update(task, completed=summary.total, total=total)

        return await import_path(core.ingest, SYSTEM, path, seen, journal=core.settings.data / "imported")


def tell(summary: Summary) -> None:
    """What became of an import."""
    table = Table()
    for label, count in (
        ("filed", summary.filed),
        ("already there", summary.already),
        ("same UID with other content: kept in quarantine", summary.conflicts),
        *((f"quarantined: {reason}", count) for reason, count in summary.quarantined.items()),
        ("directories (DICOMDIR), their files were imported", summary.directories),
        ("not DICOM, passed over", summary.skipped),
        *((f"not filed, try again: {reason}", count) for reason, count in summary.failed.items()),
    ):
        if count:
            table.add_row(str(count), label)
    if table.row_count:
        table.print()
    else:
        screen.print("Nothing there.")


@quarantine.callback(invoke_without_command=True)
def list_(context: typer.Context, limit: Annotated[int, typer.Option(help="How many to show.", min=1)] = 100) -> None:
    """List what waits in quarantine, newest first."""
    if context.invoked_subcommand is not None:
        return

    async def work(core: Core) -> list[Entry]:
        return await core.quarantine.list(SYSTEM, limit=limit)

    entries = with_core(work)
    for entry in entries:
        at = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        screen.print(f"[bold]{entry.pk}[/bold]  {at}  {entry.reason}: {entry.detail}", soft_wrap=True)
        origin = f"{entry.door} from {entry.source}" if entry.source else entry.door
        screen.print(f"    {origin}, {entry.where.size_bytes} bytes  {entry.sop_uid}", soft_wrap=True, style="dim")
    if not entries:
        screen.print("Nothing in quarantine.")


@quarantine.command()
def requeue(number: Annotated[int, typer.Argument(help="The number in the list.")]) -> None:
    """Try once more to file an object."""
    outcome = with_core(lambda core: core.quarantine.requeue(SYSTEM, number, core.ingest))
    done = outcome.result in (Stored.NEW, Stored.ALREADY)
    screen.print("Filed." if done else f"Not filed: {outcome.comment}")
    if not done:
        raise typer.Exit(1)


@quarantine.command()
def release(
    number: Annotated[int, typer.Argument(help="The number in the list.")],
    attributes: Annotated[list[str], typer.Argument(help="Keyword=value, or Keyword- to remove an attribute.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for the journal.")],
) -> None:
    """File an object with attributes set right; what came is kept for a while."""
    values = dict(map(assignment, attributes))
    outcome = with_core(lambda core: core.quarantine.release(SYSTEM, number, core.ingest, values, why=why))
    screen.print("Filed." if outcome.safe else f"Not filed: {outcome.comment}")
    if not outcome.safe:
        raise typer.Exit(1)


@quarantine.command()
def discard(
    number: Annotated[int, typer.Argument(help="The number in the list.")],
    why: Annotated[str, typer.Option("--why", help="The reason, kept with the row.")] = "",
) -> None:
    """Give an object up: its bytes are removed, its row stays."""
    typer.confirm(f"Remove the bytes of object {number} for good?", abort=True)
    with_core(lambda core: core.quarantine.discard(SYSTEM, number, why=why))


@quarantine.command()
def export(
    number: Annotated[int, typer.Argument(help="The number in the list.")],
    target: Annotated[Path, typer.Argument(help="Where to write the object.")],
) -> None:
    """Write an object's bytes to a file, as they were kept."""

    async def work(core: Core) -> None:
        with target.open("xb") as file:
            async for chunk in core.quarantine.read(SYSTEM, number):
                file.write(chunk)

    with_core(work)
