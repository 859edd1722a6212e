"""All commands, gathered. A command's module is imported here, what it needs when it runs."""

from typing import Annotated

import typer

from filmroom import __version__
from filmroom.cli import (
    associations,
    audit,
    compression,
    corrections,
    data,
    demo,
    devices,
    doctor,
    export,
    fetch,
    forwarding,
    local_aes,
    orders,
    peers,
    queues,
    recordings,
    rules,
    serve,
    status,
    ups,
    users,
    verify,
)

app = typer.Typer(
    help="Filmroom, a PACS server. `filmroom serve` starts it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(demo.demo)
app.command("import")(data.import_)
app.add_typer(data.quarantine, name="quarantine")
app.command()(corrections.correct)
app.command()(corrections.merge)
app.add_typer(corrections.journal, name="journal")
app.add_typer(rules.rule, name="rule")
app.add_typer(rules.policy, name="store-policy")
app.add_typer(compression.compression, name="compression")
app.command()(verify.verify)
app.command()(status.status)
app.add_typer(users.app, name="user")
app.add_typer(audit.app, name="audit")
app.add_typer(devices.app, name="device")
app.add_typer(local_aes.app, name="ae")
app.add_typer(associations.app, name="associations")
app.command()(peers.echo)
app.command()(peers.send)
app.command()(peers.find)
app.command()(peers.move)
app.command()(fetch.get)
app.add_typer(doctor.app, name="doctor")
app.add_typer(recordings.app, name="recordings")
app.command()(queues.push)
app.add_typer(queues.app, name="queue")
app.add_typer(export.app, name="export")
app.add_typer(forwarding.app, name="forward")
app.add_typer(orders.app, name="order")
app.add_typer(ups.app, name="ups")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"filmroom {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass
