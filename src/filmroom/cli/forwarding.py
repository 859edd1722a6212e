"""``filmroom forward``: rules by which objects are sent on to other nodes."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.sending import Priority
from filmroom.base.errors import FilmroomError
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

T = TypeVar("T")
screen = Console(highlight=False)
app = typer.Typer(help="Rules by which objects are sent on: list, put, remove, try.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The rule's name.")]
Destinations = Annotated[list[str], typer.Argument(metavar="AETITLE...", help="Devices to send to.")]
When = Annotated[str, typer.Option(help="The condition; empty: always.")]
On = Annotated[str, typer.Option(help="arrival: objects have arrived; complete: a study is complete.")]


@app.command("list")
def list_() -> None:
    """List the rules in the order in which they are asked."""
    table = Table("rank", "name", "on", "condition", "to", "state")
    for each in _run(lambda core: core.forward_rules.rules(SYSTEM)):
        state = ("on" if each.enabled else "off") + (", stop" if each.stop else "")
        table.add_row(str(each.rank), each.name, each.event, each.text, ", ".join(each.destinations), state)
    table.print()


@app.command()
def put(
    name: Name,
    destinations: Destinations,
    when: When = "",
    on: On = "complete",
    rank: Annotated[int, typer.Option(help="Higher is asked first.", min=-1000, max=1000)] = 0,
    stop: Annotated[bool, typer.Option(help="What it takes is offered to no further rule.")] = False,
    priority: Annotated[str, typer.Option(help="low, medium or high; that of the device by default.")] = "",
    commit: Annotated[bool, typer.Option("--commit", help="Ask for storage commitment afterwards.")] = False,
    delay: Annotated[float, typer.Option(help="Seconds to wait before sending.", min=0)] = 0.0,
    off: Annotated[bool, typer.Option(help="Keep it, but do not ask it.")] = False,
) -> None:
    """Add or change a rule. An object goes to a destination by rule once."""
    row = _row(destinations, when, on)
    row |= {"rank": rank, "stop": stop, "commit": commit, "delay_s": delay, "enabled": not off}
    if priority:
        try:
            row["priority"] = int(Priority[priority.upper()])
        except KeyError as error:
            raise typer.BadParameter("low, medium or high", param_hint="--priority") from error
    made = _run(lambda core: core.forward_rules.put(SYSTEM, name, row))
    screen.print(f"{made.name}: {made.text} -> {', '.join(made.destinations)}", markup=False)


@app.command()
def remove(name: Name) -> None:
    """Remove a rule. What it has queued still goes."""
    _run(lambda core: core.forward_rules.remove(SYSTEM, name))


@app.command("try")
def try_(
    destinations: Destinations,
    when: When = "",
    on: On = "complete",
    studies: Annotated[int, typer.Option(help="How many of the last studies.", min=1, max=500)] = 100,
) -> None:
    """Show what a rule would have sent of the last studies. Nothing is sent."""
    found = _run(lambda core: core.forward_rules.try_out(SYSTEM, _row(destinations, when, on), studies=studies))
    table = Table("study", "objects", "would go", "went already")
    for each in found.studies:
        counts = [", ".join(f"{to} {n}" for to, n in one.items() if n) for one in (each.sent, each.already)]
        table.add_row(each.study_uid, str(each.objects), *counts)
    table.print()
    if not found.complete:
        screen.print("there are too many objects to try it on all of them")


def _row(destinations: list[str], when: str, on: str) -> dict[str, Any]:
    return {"event": on, "destinations": destinations, "condition": when}


def _run(work: Callable[[Core], Awaitable[T]]) -> T:
    try:
        return with_core(work)
    except FilmroomError as fault:
        screen.print(str(fault), markup=False)
        raise typer.Exit(1) from None
