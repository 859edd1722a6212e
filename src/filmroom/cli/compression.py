"""``filmroom compression``: rules that keep objects in another form, and what came of them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console

from filmroom.app.core import Core, compression_rounds
from filmroom.archive.compression_model import KEYS
from filmroom.archive.rules_book import COMPRESSION
from filmroom.base.errors import FilmroomError
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

T = TypeVar("T")
screen = Console(highlight=False)
compression = typer.Typer(help="Compression rules: list, put, remove, report.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The rule's name.")]


@compression.command("list")
def list_rules() -> None:
    """List the rules in the order in which they are asked; the first that holds counts."""
    table = Table("priority", "name", "condition", "action", "state")
    for each in _run(lambda core: core.rule_book.rules(SYSTEM, COMPRESSION)):
        action = orjson.dumps(each.rows[0]).decode()
        table.add_row(str(each.priority), each.name, each.text, action, "on" if each.enabled else "off")
    table.print()


@compression.command(
    help="Add or change a rule. Keys of its action: " + "; ".join(f"{k}: {v}" for k, v in KEYS.items()) + "."
)
def put(
    name: Name,
    action: Annotated[str, typer.Argument(help='A JSON object: {"compress": "jpeg-ls", "when": "receipt"}.')],
    when: Annotated[str, typer.Option(help="The condition; empty: always.")] = "",
    priority: Annotated[int, typer.Option(help="Higher comes first.", min=-1000, max=1000)] = 0,
    off: Annotated[bool, typer.Option(help="Keep it, but do not ask it.")] = False,
) -> None:
    try:
        row: Any = orjson.loads(action)
    except orjson.JSONDecodeError:
        raise typer.BadParameter("the action is a JSON object") from None
    made = _run(
        lambda core: core.rule_book.put_rule(
            SYSTEM, name, condition=when, actions=[row], priority=priority, enabled=not off, kind=COMPRESSION
        )
    )
    screen.print(f"{made.name}: {made.text}", markup=False)


@compression.command("remove")
def remove_rule(name: Name) -> None:
    """Remove a rule. What it made of objects stays."""
    _run(lambda core: core.rule_book.remove_rule(SYSTEM, name, COMPRESSION))


@compression.command("report")
def report() -> None:
    """Show what each rule did, and why it left what it left."""
    totals, reasons = _run(lambda core: compression_rounds(core).totals(SYSTEM))
    table = Table("rule", "state", "objects", "received bytes", "kept bytes")
    for each in totals:
        kept = str(each.made_bytes) if each.state == "done" else ""
        table.add_row(each.rule, each.state, str(each.objects), str(each.received_bytes), kept)
    table.print()
    for why in reasons:
        screen.print(f"{why.rule}: {why.objects} left: {why.reason}", markup=False)


def _run(work: Callable[[Core], Awaitable[T]]) -> T:
    try:
        return with_core(work)
    except FilmroomError as fault:
        screen.print(str(fault), markup=False)
        raise typer.Exit(1) from None
