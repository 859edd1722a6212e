"""``filmroom doctor``: what is wrong, in plain words. ``device``: the connection to a DICOM peer."""

import asyncio

import typer
from rich.console import Console

from filmroom.base.ids import ae_title
from filmroom.cli.peers import Calling, Peer, PeerFailed, open_peer
from filmroom.cli.words import language
from filmroom.net.dimse.probe import Step, probe
from filmroom.net.dimse.probe_words import STEPS
from filmroom.settings import load

app = typer.Typer(help="Find out what is wrong, in plain words.", no_args_is_help=True)
screen = Console(highlight=False, soft_wrap=True)

_MARKS = {"ok": "[green]ok[/green]     ", "warning": "[yellow]note[/yellow]   ", "failed": "[red]FAILED[/red] "}


@app.callback()
def _doctor() -> None:
    pass


@app.command()
def device(peer: Peer, calling: Calling = "") -> None:
    """Test the connection to a node: network, TLS, association, C-ECHO, C-FIND, and which images it would take."""
    settings = load()
    tongue = language(settings.language)

    async def test() -> list[Step]:
        to = await asyncio.to_thread(open_peer, peer, "echo")
        found = []
        async for step in probe(to, calling_ae=ae_title(calling or settings.dimse.ae_title)):
            found.append(step)
            name = STEPS[step.name][tongue == "zh"]
            screen.print(f"{_MARKS[step.outcome]} {name:12} {step.ms:8.1f} ms  {step.told(tongue)}")
        return found

    found = asyncio.run(test())
    if found[-1].outcome == "failed" or any(each.outcome == "failed" for each in found):
        raise PeerFailed(f"the connection to {peer} is not right")
