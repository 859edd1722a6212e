"""``filmroom correct``, ``merge`` and ``journal``: attributes set right, patients made one, and what was done."""

from typing import Annotated, Any

import typer
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.corrections_model import Entry, Target
from filmroom.base.errors import FilmroomError
from filmroom.cli.running import with_core
from filmroom.security.principals import SYSTEM

screen = Console(highlight=False)
journal = typer.Typer(help="The journal of corrections, merges and rules: list, undo.", no_args_is_help=False)

Why = Annotated[str, typer.Option("--why", help="The reason, for the journal.")]


def correct(
    level: Annotated[Target, typer.Argument(help="What is corrected.")],
    target: Annotated[str, typer.Argument(help="The UID, or the Patient ID.")],
    attributes: Annotated[
        list[str], typer.Argument(help="Keyword=value, or Keyword- to remove an attribute; several may be given.")
    ],
    why: Why,
    issuer: Annotated[str | None, typer.Option(help="Issuer of the Patient ID, where several have it.")] = None,
) -> None:
    """Correct attributes. What was received stays as it is; answers and outgoing objects are corrected."""
    values = dict(map(assignment, attributes))
    _done(lambda core: core.corrections.correct(SYSTEM, level, target, values, why=why, issuer=issuer))


def merge(
    source: Annotated[str, typer.Argument(help="Patient ID of the patient that goes.")],
    into: Annotated[str, typer.Argument(help="Patient ID of the patient that stays.")],
    why: Why,
) -> None:
    """Make two patients one; can be undone."""
    _done(lambda core: core.corrections.merge(SYSTEM, source, into, why=why))


@journal.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    target: Annotated[str | None, typer.Option(help="Of one target only: study:UID, series:UID, instance:UID.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show.", min=1, max=1000)] = 50,
) -> None:
    """List the journal, newest first."""
    if context.invoked_subcommand is not None:
        return
    entries: list[Entry] = with_core(lambda core: core.corrections.journal(SYSTEM, target=target, limit=limit))
    for entry in entries:
        at = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        undone = f"  (undone by {entry.undone_by})" if entry.undone_by else ""
        screen.print(f"[bold]{entry.pk}[/bold]  {at}  {entry.action} {entry.target}{undone}", soft_wrap=True)
        screen.print(f"    {entry.who}: {entry.why}", soft_wrap=True, style="dim", markup=False)
    if not entries:
        screen.print("Nothing in the journal.")


@journal.command()
def undo(number: Annotated[int, typer.Argument(help="The number in the list.")], why: Why) -> None:
    """Take an entry back."""
    _done(lambda core: core.corrections.undo(SYSTEM, number, why=why))


def assignment(text: str) -> tuple[str, Any]:
    """An attribute and its value, None to remove it."""
    name, sign, value = text.partition("=")
    if sign:
        return name.strip(), value
    if text.endswith("-"):
        return text[:-1].strip(), None
    raise typer.BadParameter(f"{text}: write Keyword=value, or Keyword- to remove it")


def _done(work: Any) -> None:
    async def run(core: Core) -> Entry:
        entry: Entry = await work(core)
        return entry

    try:
        entry = with_core(run)
    except FilmroomError as fault:
        screen.print(str(fault), markup=False)
        raise typer.Exit(1) from None
    screen.print(f"Done: journal entry {entry.pk}.")
