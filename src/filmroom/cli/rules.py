"""``filmroom rule`` and ``filmroom store-policy``: what is decided about objects when they come."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from pydicom import dcmread
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.coercion import ACTIONS
from filmroom.archive.rules_policy import KEYS
from filmroom.base.errors import FilmroomError
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.dicom.conditions_eval import Asked, JsonValues, explained
from filmroom.dicom.conditions_parse import parse
from filmroom.security.principals import SYSTEM

T = TypeVar("T")
screen = Console(highlight=False)
rule = typer.Typer(help="Coercion rules: list, put, remove, try a condition.", no_args_is_help=True)
policy = typer.Typer(help="How objects of a sender are stored: list, set, remove.", no_args_is_help=True)

Calling = Annotated[str, typer.Argument(help="AE title of the sender, or *.")]
Called = Annotated[str, typer.Argument(help="AE title of ours that it calls, or *.")]


@rule.command("list")
def list_rules() -> None:
    """List the rules in the order in which they are asked."""
    table = Table("priority", "name", "condition", "actions", "state")
    for each in _run(lambda core: core.rule_book.rules(SYSTEM)):
        state = "on" if each.enabled else "off"
        actions = orjson.dumps(each.rows).decode()
        table.add_row(str(each.priority), each.name, each.text, actions, state + (", stop" if each.stop else ""))
    table.print()


@rule.command(help="Add or change a rule. Actions: " + "; ".join(ACTIONS.values()) + ".")
def put(
    name: Annotated[str, typer.Argument(help="The rule's name.")],
    actions: Annotated[str, typer.Argument(help="A JSON list of actions.")],
    when: Annotated[str, typer.Option(help="The condition; empty: always.")] = "",
    priority: Annotated[int, typer.Option(help="Higher comes first.", min=-1000, max=1000)] = 0,
    stop: Annotated[bool, typer.Option(help="Ask no further rule when this one holds.")] = False,
    off: Annotated[bool, typer.Option(help="Keep it, but do not ask it.")] = False,
) -> None:
    try:
        rows: Any = orjson.loads(actions)
    except orjson.JSONDecodeError:
        raise typer.BadParameter("actions are a JSON list") from None
    made = _run(
        lambda core: core.rule_book.put_rule(
            SYSTEM, name, condition=when, actions=rows, priority=priority, stop=stop, enabled=not off
        )
    )
    screen.print(f"{made.name}: {made.text}", markup=False)


@rule.command("remove")
def remove_rule(name: Annotated[str, typer.Argument(help="The rule's name.")]) -> None:
    """Remove a rule. What it made of objects stays."""
    _run(lambda core: core.rule_book.remove_rule(SYSTEM, name))


@rule.command("try")
def try_(
    condition: Annotated[str, typer.Argument(help="The condition.")],
    file: Annotated[Path | None, typer.Argument(help="A DICOM file to ask it about.", exists=True)] = None,
    calling: Annotated[str, typer.Option(help="AE title of the sender.")] = "",
) -> None:
    """Show which parts of a condition are true of an object."""
    dataset = dcmread(file, stop_before_pixels=True).to_json_dict() if file is not None else {}
    try:
        found = explained(parse(condition), Asked(values=JsonValues(dataset), calling=calling))
    except FilmroomError as fault:
        screen.print(str(fault), markup=False)
        raise typer.Exit(2) from None
    for line in found.lines():
        screen.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(0 if found.holds else 1)


@policy.command("list")
def list_policies() -> None:
    """List the store policies."""
    table = Table("calling", "called", "policy")
    for each in _run(lambda core: core.rule_book.policies(SYSTEM)):
        table.add_row(each.calling, each.called, orjson.dumps(each.row).decode())
    table.print()


@policy.command("set", help="Say how objects are stored. Keys: " + " ".join(f"{k}: {v}" for k, v in KEYS.items()))
def set_policy(
    calling: Calling, called: Called, policy: Annotated[str, typer.Argument(help="A JSON object of keys.")]
) -> None:
    try:
        row: Any = orjson.loads(policy)
    except orjson.JSONDecodeError:
        row = None
    if not isinstance(row, dict):
        raise typer.BadParameter("the policy is a JSON object")
    _run(lambda core: core.rule_book.put_policy(SYSTEM, calling, called, row))


@policy.command("remove")
def remove_policy(calling: Calling, called: Called) -> None:
    """Remove a store policy."""
    _run(lambda core: core.rule_book.remove_policy(SYSTEM, calling, called))


def _run(work: Callable[[Core], Awaitable[T]]) -> T:
    try:
        return with_core(work)
    except FilmroomError as fault:
        screen.print(str(fault), markup=False)
        raise typer.Exit(1) from None
