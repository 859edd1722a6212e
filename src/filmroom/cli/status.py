"""``filmroom status``: how the archive is, in a page; and what somebody should see to."""

from typing import Annotated

import orjson
import typer
from rich.console import Console

from filmroom import __version__
from filmroom.app.core import Core
from filmroom.cli.running import with_core
from filmroom.net.dimse.tls import Certificates
from filmroom.ops.figures import Figures, Snapshot

screen = Console(highlight=False, soft_wrap=True)


def status(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Show how the archive is: counts, room, queues, days that certificates have left, and warnings.

    Ends with 2 when there is something that somebody should see to.
    """
    taken = with_core(_take)
    if as_json:
        screen.print(orjson.dumps(_row(taken)).decode(), markup=False)
    else:
        for line in _lines(taken):
            screen.print(line, markup=False)
    raise typer.Exit(2 if taken.warnings else 0)


async def _take(core: Core) -> Snapshot:
    certificates = Certificates.of(core.settings.dimse)
    return await Figures(core.database, core.online.root, core.clock, certificates.left).take()


def _lines(taken: Snapshot) -> list[str]:
    counts = ", ".join(f"{number} {name}" for name, number in taken.counts.items())
    lines = [
        f"Filmroom {__version__}, PostgreSQL {taken.database_version}",
        f"holds about {counts}",
        f"store: {taken.store_free_bytes / 1e9:.1f} GB free of {taken.store_total_bytes / 1e9:.1f}",
        f"database: {taken.database_bytes / 1e6:.0f} MB, {taken.last_seq} facts",
        f"quarantine: {taken.quarantined} objects",
    ]
    lines += [
        f"queue {each.queue}: {each.waiting} waiting, {each.running} running, {each.dead} failed"
        for each in taken.queues
    ]
    lines += [f"certificate {name}: {days} days left" for name, days in taken.certificates.items()]
    return lines + [f"WARNING: {text}" for text in taken.warnings]


def _row(taken: Snapshot) -> dict[str, object]:
    return {
        "version": __version__,
        "counts": dict(taken.counts),
        "store_total_bytes": taken.store_total_bytes,
        "store_free_bytes": taken.store_free_bytes,
        "database_bytes": taken.database_bytes,
        "last_seq": taken.last_seq,
        "quarantined": taken.quarantined,
        "queues": {
            each.queue: {"waiting": each.waiting, "running": each.running, "dead": each.dead} for each in taken.queues
        },
        "certificates": dict(taken.certificates),
        "warnings": list(taken.warnings),
    }
