"""``filmroom associations``: what is open now in a running archive, and ending one."""

from typing import Annotated

import typer
from rich.console import Console

from filmroom.base.clock import SystemClock
from filmroom.cli.running import with_core
from filmroom.security.principals import SYSTEM

app = typer.Typer(help="Open associations of the running archive.", no_args_is_help=True)
screen = Console(highlight=False)


@app.command("list")
def list_() -> None:
    """List what is open now, both directions, over all processes."""

    now = SystemClock().now()
    found = with_core(lambda core: core.live.list(SYSTEM))
    for each in found:
        live = each.live
        way = "from" if live.inbound else "to"
        idle_s = max(0.0, (now - live.active_at).total_seconds())
        lines = [
            f"{each.name}  {live.calling_ae} calls {live.called_ae}, {way} {live.peer}",
            f"    since {live.opened_at:%Y-%m-%d %H:%M:%S}, last active {idle_s:.0f} s ago, "
            f"doing {live.operation or 'nothing'}",
            f"    in:  {live.messages_in} messages, {live.pdus_in} PDUs, {live.bytes_in} bytes, "
            f"{live.objects_in} objects",
            f"    out: {live.messages_out} messages, {live.pdus_out} PDUs, {live.bytes_out} bytes, "
            f"{live.objects_out} objects",
        ]
        screen.print("\n".join(lines), markup=False, soft_wrap=True)
    screen.print(f"{len(found)} open")


@app.command()
def abort(name: Annotated[str, typer.Argument(metavar="ID", help="Its id in `filmroom associations list`.")]) -> None:
    """End one (A-ABORT)."""
    ended = with_core(lambda core: core.live.abort(SYSTEM, name))
    screen.print(f"{name} has ended" if ended else f"{name} was told to end, and has not yet")
