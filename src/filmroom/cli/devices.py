"""``filmroom device``: the DICOM peers this archive knows."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from filmroom.app import Core
from filmroom.base.ids import ae_title
from filmroom.cli.running import with_core

app = typer.Typer(help="DICOM peers: who may call, and where to send.", no_args_is_help=True)


@app.command()
def add(
    title: Annotated[str, typer.Argument(metavar="AETITLE", help="Its AE title.")],
    host: Annotated[str, typer.Argument(help="Its host name or address.")],
    port: Annotated[int, typer.Argument(help="Its DICOM port.", min=1, max=65535)],
    description: Annotated[str, typer.Option(help="What it is and where it stands.")] = "",
) -> None:
    """Register a peer, or change the one with this AE title."""
    with_core(lambda core: core.devices.put(ae_title(title), host, port, description=description))
    typer.echo(f"{title} is at {host}:{port}")


@app.command()
def remove(title: Annotated[str, typer.Argument(metavar="AETITLE", help="Its AE title.")]) -> None:
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

    Console().print(with_core(work))
