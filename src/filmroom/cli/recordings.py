"""``filmroom recordings``: what was said on each association."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from filmroom.archive.recordings import MAX_VALUE_HOURS, Recorded
from filmroom.archive.recordings_text import as_file, head, lines
from filmroom.base.ids import ae_title
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

app = typer.Typer(help="The flight recorder: what was said on each association.", no_args_is_help=True)
screen = Console(highlight=False)

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The recording's number.")]


@app.command("list")
def list_(
    ae: Annotated[str | None, typer.Option("--ae", metavar="AETITLE", help="Only with this peer.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that ended badly or hold a failure.")] = False,
    limit: Annotated[int, typer.Option(help="How many to show.", min=1, max=1000)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List associations, newest first."""
    found = with_core(lambda core: core.recordings.list(SYSTEM, ae_title=ae, failed=failed, limit=limit))
    if as_json:
        for each in found:
            typer.echo(json.dumps(head(each), ensure_ascii=False))
        return
    table = Table("no.", "at", "who", "end", "messages", "failures", "kB in/out", "s")
    for each in found:
        table.add_row(*_cells(each))
    table.print()


@app.command()
def show(
    number: Number,
    values: Annotated[bool, typer.Option("--values", help="With values of query keys, if recorded.")] = False,
) -> None:
    """What was said on one association."""
    recorded, body = with_core(lambda core: core.recordings.show(SYSTEM, number, values=values))
    for line in lines(recorded, body):
        typer.echo(line)


@app.command()
def export(
    number: Number,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="The file to write; association-N.txt.")] = None,
) -> None:
    """Write one file for a vendor: text and JSON, patient data masked."""
    path = to or Path(f"association-{number}.txt")
    recorded, body = with_core(lambda core: core.recordings.show(SYSTEM, number))
    path.write_text(as_file(recorded, body), encoding="utf-8")
    typer.echo(f"{path}: {path.stat().st_size} bytes")


@app.command()
def values(
    title: Annotated[str, typer.Argument(metavar="AETITLE", help="The device's AE title.")],
    hours: Annotated[float, typer.Option(help="For how long; 0 ends it.", min=0, max=MAX_VALUE_HOURS)] = 1.0,
) -> None:
    """Record the values of a device's query keys too, for a limited time: patient data."""
    until = with_core(lambda core: core.recordings.record_values(SYSTEM, ae_title(title), hours))
    typer.echo(f"values of {title} are recorded until {until:%Y-%m-%d %H:%M} UTC")


def _cells(each: Recorded) -> list[str]:
    sizes = f"{each.bytes_in / 1000:.0f}/{each.bytes_out / 1000:.0f}"
    end = f"{each.outcome}: {each.reason}" if each.reason else each.outcome
    way = f"to {each.called_ae}" if each.outgoing else f"from {each.calling_ae}"
    who = f"{way} {each.peer}{' (TLS)' if each.tls else ''}"
    counts = (str(each.messages), str(each.failures or ""), sizes, f"{each.seconds:.1f}")
    return [str(each.pk), f"{each.opened_at:%m-%d %H:%M:%S}", who, end, *counts]
