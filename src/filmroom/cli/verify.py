"""``filmroom verify``: whether index and store agree, and bringing back what only the store knows."""

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from filmroom.app.core import Core
from filmroom.archive.consistency import Consistency, Fault, Finding
from filmroom.archive.recovery import Recovery
from filmroom.base.errors import FilmroomError
from filmroom.cli.running import with_core
from filmroom.security.principals import SYSTEM

screen = Console(highlight=False)

# What was written a moment ago may be waiting for its rows in a running server.
SETTLED_S = 600.0

_SENTENCES = {
    Fault.NO_LOCATION: "rows without a place of their bytes",
    Fault.MISSING: "objects whose bytes are gone",
    Fault.SHORT: "objects whose bytes end too early",
    Fault.WRONG: "objects whose bytes are not those received",
    Fault.UNREADABLE: "objects that the store could not read now",
    Fault.ORPHAN: "pieces of data that no row knows (nothing is lost)",
}
SHOWN = 20


def verify(
    quick: Annotated[bool, typer.Option("--quick", help="Compare places and sizes only, not digests.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="File what no row knows, as after restoring an older database.")
    ] = False,
) -> None:
    """Compare every row with its bytes, and every byte with the rows. Leaves with 1 when an object is not whole."""
    found = with_core(lambda core: _verify(core, quick=quick, adopt=adopt))
    counts = Counter(finding.fault for finding in found)
    for fault, count in counts.items():
        screen.print(f"{count:>8}  {_SENTENCES[fault]}")
    for finding in [each for each in found if each.fault is not Fault.ORPHAN][:SHOWN]:
        place = f"{finding.where.key} at byte {finding.where.start}" if finding.where else ""
        screen.print(f"          {finding.fault.value}: {finding.sop_uid} {place}", style="dim", soft_wrap=True)
    if not found:
        screen.print("Rows and bytes agree.")
    if set(counts) - {Fault.ORPHAN}:
        raise typer.Exit(1)


async def _verify(core: Core, *, quick: bool, adopt: bool) -> list[Finding]:
    consistency = Consistency(core.database, core.online, core.blobs, core.clock)
    findings: list[Finding] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as progress:
        task = progress.add_task("Comparing", total=await consistency.objects(SYSTEM))
        after: int | None = 0
        while after is not None:
            part = await consistency.check(SYSTEM, after=after, digests=not quick)
            findings += part.findings
            after = part.next_after
            progress.advance(task, part.rows)
    orphans = [each async for each in consistency.orphans(SYSTEM, min_age_s=SETTLED_S)]
    if adopt:
        orphans = await _adopt(core, consistency, orphans)
    return findings + orphans


async def _adopt(core: Core, consistency: Consistency, orphans: list[Finding]) -> list[Finding]:
    """File them; what could not be filed now is left."""
    recovery = Recovery(consistency, core.online, core.blobs, core.ingest)
    outcomes: Counter[str] = Counter()
    left = []
    for orphan in orphans:
        try:
            outcome = await recovery.adopt(SYSTEM, orphan)
        except FilmroomError as error:
            outcomes[str(error)] += 1
            left.append(orphan)
        else:
            outcomes[outcome.result.value if outcome else "has its row by now"] += 1
    for result, count in outcomes.items():
        screen.print(f"{count:>8}  adopted: {result}")
    return left
