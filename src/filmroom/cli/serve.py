"""``filmroom serve``: the whole server in the foreground, until Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import signal
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from filmroom import __version__
from filmroom.app.server import Server, open_server
from filmroom.cli.words import language, say
from filmroom.settings import Settings, load

screen = Console(highlight=False, soft_wrap=True)


def serve(
    roles: Annotated[str, typer.Option(help="What this process does: any of dimse, web, work.")] = "dimse,web,work",
) -> None:
    """Start the server in the foreground."""
    run(load(), frozenset(roles.split(",")))


def run(settings: Settings, roles: frozenset[str]) -> None:
    """Serve until a signal asks to stop. Raises FilmroomError when it cannot start."""
    uvloop.run(_serve(settings, roles))


async def _serve(settings: Settings, roles: frozenset[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    tongue = language(settings.language)
    async with open_server(settings, roles) as server:
        greet(server, tongue)
        await stop.wait()
        screen.print(say(tongue, "stopping"))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _not_yet, loop, number, tongue)
    screen.print(say(tongue, "stopped"))


def _not_yet(loop: asyncio.AbstractEventLoop, number: int, tongue: str) -> None:
    """A second signal asks for patience (a supervisor may send it to make and server both); a third does not wait."""
    screen.print(say(tongue, "still_stopping"))
    loop.remove_signal_handler(number)


def greet(server: Server, tongue: str) -> None:
    """Say where everything is and how to send the first image."""
    settings = server.core.settings
    screen.print(f"\n[bold]{say(tongue, 'ready', version=__version__)}[/bold]\n")
    rows = []
    if "web" in server.roles:
        rows.append(("open", f"[link]http://{_reachable(settings.web.host)}:{server.http_port}/[/link]"))
    if server.first_password is not None:
        path = settings.data / "admin-password"
        rows.append(("who", say(tongue, "password", password=server.first_password, path=path)))
    if "dimse" in server.roles:
        host, port, ae = _reachable(settings.dimse.host), server.dicom_port, settings.dimse.ae_title
        rows.append(("dicom", say(tongue, "dicom_at", ae=ae, host=host, port=port)))
        rows.append(("first", f"storescu -aec {ae} {host} {port} image.dcm"))
    rows.append(("data", str(settings.data)))
    labels = [say(tongue, word) for word, _ in rows]
    width = max(map(_cells, labels))
    for label, (_, text) in zip(labels, rows, strict=True):
        screen.print(f"  {label}{' ' * (width - _cells(label))}   {text}")
    closed = {settings.web.host, settings.dimse.host} <= {"127.0.0.1", "::1", "localhost"}
    word = "loopback" if closed else "opened"
    screen.print(f"\n{say(tongue, word, path=settings.data / 'filmroom.toml')}\n{say(tongue, 'stop')}\n")


def _cells(text: str) -> int:
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def _reachable(host: str) -> str:
    with contextlib.suppress(KeyError):
        return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}[host]
    return f"[{host}]" if ":" in host else host
