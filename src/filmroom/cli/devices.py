"""``filmroom device``: the DICOM peers this archive knows, and the callers it does not."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.devices import Device, DevicePolicy, described
from filmroom.archive.devices_callers import USUAL_PORT, CallerRow
from filmroom.archive.devices_rules import Rules
from filmroom.base.ids import ae_title
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

app = typer.Typer(help="DICOM peers: who may call, and where to send.", no_args_is_help=True)
screen = Console(highlight=False)

Title = Annotated[str, typer.Argument(metavar="AETITLE", help="Its AE title.")]
Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE...",
        help="Keys of the device or of its policy: services=echo,store addresses=10.1.0.0/16 worklist.more_days=1. "
        "Nothing after the sign takes the key away.",
    ),
]


@app.command()
def add(
    title: Title,
    host: Annotated[str, typer.Argument(help="Its host name or address.")],
    port: Annotated[int, typer.Argument(help="Its DICOM port.", min=1, max=65535)],
    keys: Keys = None,
    description: Annotated[str, typer.Option(help="What it is and where it stands.")] = "",
) -> None:
    """Register a peer, or change the one with this AE title."""
    body = {"host": host, "port": port, "description": description}
    given = patch_of(keys or [], DevicePolicy)

    async def work(core: Core) -> None:
        await core.devices.replace(ae_title(title), body, who=SYSTEM)
        if given:
            await core.devices.patch(ae_title(title), given, who=SYSTEM)

    with_core(work)
    typer.echo(f"{title} is at {host}:{port}")


@app.command("set")
def set_(title: Title, keys: Keys = None) -> None:
    """Change keys of a peer; a running server takes them for the next association."""
    device = with_core(lambda core: core.devices.patch(ae_title(title), patch_of(keys or [], DevicePolicy), who=SYSTEM))
    _show(device)


@app.command()
def show(title: Title) -> None:
    """Show a peer with its policy."""
    _show(with_core(lambda core: core.devices.get(ae_title(title))))


@app.command()
def remove(title: Title) -> None:
    """Forget a peer."""
    with_core(lambda core: core.devices.remove(ae_title(title)))


@app.command("list")
def list_() -> None:
    """List the registered peers."""

    async def work(core: Core) -> Table:
        table = Table("AE title", "host", "port", "description", "state")
        for device in await core.devices.list():
            state = "enabled" if device.enabled else "disabled"
            table.add_row(device.ae_title, device.host, str(device.port), device.description, state)
        return table

    with_core(work).print()


@app.command()
def changes(title: Title) -> None:
    """Show who changed a peer, and how."""
    for each in with_core(lambda core: core.devices.changes(ae_title(title), who=SYSTEM)):
        screen.print(f"{each.at:%Y-%m-%d %H:%M:%S} {each.who} {each.action}")
        for line in _differences(each.before or {}, each.after or {}):
            screen.print(f"    {line}", markup=False)


@app.command()
def pending(
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Show the dismissed ones.")] = False,
) -> None:
    """List callers that were turned away or did not get what they asked for: who, when, why, and what to do."""
    state = "dismissed" if dismissed else "pending"
    rows = with_core(lambda core: core.callers.list(SYSTEM, state=state))
    for row in rows:
        _show_caller(row)
    screen.print(f"{len(rows)} {state}")


@app.command()
def approve(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in `filmroom device pending`.")],
    keys: Keys = None,
    port: Annotated[int, typer.Option(help="The port it listens on itself, where we may send to.")] = USUAL_PORT,
) -> None:
    """Let a caller in: registers the device as its call suggests, or changes it so that it may do what it tried."""
    given = patch_of(keys or [], DevicePolicy)
    _show(with_core(lambda core: core.callers.approve(SYSTEM, number, changes=given, port=port)))


@app.command()
def dismiss(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in `filmroom device pending`.")],
) -> None:
    """Show a caller no more."""
    with_core(lambda core: core.callers.dismiss(SYSTEM, number))


def patch_of(keys: Sequence[str], policy: type[Rules]) -> dict[str, Any]:
    """``key=value`` as a merge patch; a key of the policy stands below ``policy``."""
    lists = {each.name for each in policy.typed() if "frozenset" in str(each.type) or "tuple" in str(each.type)}
    own = {"host", "port", "description", "enabled", "site", "department"}
    patch: dict[str, Any] = {}
    for text in keys:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE")
        path = name.split(".") if name in own else ["policy", *name.split(".")]
        place = patch
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = _value(value, as_list=path[-1] in lists or name == "worklist.modalities")
    return patch


def _value(text: str, *, as_list: bool) -> Any:
    if not text:
        return None
    if as_list and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _show(device: Device) -> None:
    screen.print_json(json.dumps(described(device), ensure_ascii=False))


def _show_caller(row: CallerRow) -> None:
    made_by = " ".join(filter(None, (row.vendor, row.implementation_version))) or row.implementation_class or "unknown"
    lines = [
        f"{row.pk}  {row.calling_ae or '(no AE title)'} from {row.address} called {row.called_ae}",
        f"    {row.advice.what} {row.detail}".rstrip(),
        f"    {row.attempts} times, last {row.last_seen:%Y-%m-%d %H:%M:%S}, first {row.first_seen:%Y-%m-%d %H:%M:%S}",
        f"    made by {made_by}; asks for {', '.join(row.services) or 'nothing known'}",
        f"    to do: {row.advice.todo}",
    ]
    if row.advice.approvable:
        lines.append(f"    filmroom device approve {row.pk}")
    for line in lines:
        screen.print(line, markup=False, soft_wrap=True)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], at: str = "") -> list[str]:
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            lines += _differences(old or {}, new or {}, f"{at}{name}.")
        elif old != new:
            lines.append(f"{at}{name}: {json.dumps(old)} -> {json.dumps(new)}")
    return lines
