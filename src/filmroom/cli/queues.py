"""``filmroom push`` and ``filmroom queue``: what goes to other nodes, and what became of it."""

from typing import Annotated

import typer
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.sending import Delivery, DeliveryItem, Destination, Priority
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

screen = Console(highlight=False)
app = typer.Typer(help="Deliveries to other nodes: list, look into, send again, call off.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The delivery's number.")]
Title = Annotated[str, typer.Argument(metavar="AETITLE", help="The destination's AE title.")]


def push(
    peer: Annotated[str, typer.Argument(metavar="PEER", help="The AE title of a registered device.")],
    studies: Annotated[list[str], typer.Argument(metavar="STUDY-UID...", help="Study Instance UIDs.")],
    priority: Annotated[str, typer.Option(help="low, medium or high; that of the device by default.")] = "",
    commit: Annotated[bool, typer.Option("--commit", help="Ask for storage commitment afterwards.")] = False,
) -> None:
    """Queue studies to be sent to a device. The running server sends them, for a day if need be."""
    try:
        urgency = Priority[priority.upper()] if priority else None
    except KeyError as error:
        raise typer.BadParameter("low, medium or high", param_hint="--priority") from error

    async def work(core: Core) -> Delivery:
        pk = await core.sending.order(
            SYSTEM, peer, studies=studies, priority=urgency, commit=commit, reason="command line"
        )
        return await core.sending.get(SYSTEM, pk)

    made = with_core(work)
    typer.echo(f"delivery {made.pk}: {made.total} objects to {made.ae_title}")


@app.command("list")
def list_(
    to: Annotated[str | None, typer.Option(metavar="AETITLE", help="Only to this destination.")] = None,
    state: Annotated[str | None, typer.Option(help="waiting, done, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show.", min=1)] = 50,
) -> None:
    """List destinations with what waits for them, and deliveries, newest first."""

    async def work(core: Core) -> tuple[list[Destination], list[Delivery]]:
        destinations = await core.sending.destinations(SYSTEM)
        return destinations, await core.sending.deliveries(SYSTEM, to=to, state=state, limit=limit)

    destinations, deliveries = with_core(work)
    table = Table("destination", "waiting", "associations", "kB/s", "state")
    for each in destinations:
        rate = "" if each.bytes_per_s is None else f"{each.bytes_per_s / 1000:.0f}"
        table.add_row(each.ae_title, str(each.waiting), str(each.associations), rate, _condition(each))
    table.print()
    table = Table("number", "to", "priority", "state", "sent", "failed", "waiting", "perhaps twice", "why")
    for one in deliveries:
        counts = (f"{one.sent}/{one.total}", *(str(n or "") for n in (one.failed, one.waiting, one.repeated)))
        table.add_row(str(one.pk), one.ae_title, Priority(one.priority).name.lower(), one.state, *counts, one.trouble)
    table.print()


@app.command()
def show(number: Number, state: Annotated[str | None, typer.Option(help="Only objects in this state.")] = None) -> None:
    """What became of each object of a delivery, and what the destination committed to."""

    async def work(core: Core) -> tuple[list[DeliveryItem], list[str]]:
        items = await core.sending.items(SYSTEM, number, state=state)
        asked = await core.commitments.transactions(SYSTEM, side="scu", delivery_pk=number)
        said = [f"commitment {each.state}: {each.committed} of {each.total}, {each.failed} not" for each in asked]
        return items, said

    items, said = with_core(work)
    table = Table("SOP instance", "state", "attempts", "status", "comment")
    for each in items:
        code = "" if each.status is None else f"{each.status:04X}"
        doubt = " (an attempt had no answer: perhaps twice)" if each.unsure else ""
        table.add_row(each.sop_uid, each.state, str(each.attempts), code, each.comment + doubt)
    table.print()
    for sentence in said:
        screen.print(sentence)


@app.command()
def retry(number: Number) -> None:
    """Send again what failed or was called off."""
    count = with_core(lambda core: core.sending.resend(SYSTEM, number))
    typer.echo(f"{count} objects are queued again")


@app.command()
def cancel(number: Number) -> None:
    """Call a delivery off. An object that is on its way still arrives."""
    done = with_core(lambda core: core.sending.cancel(SYSTEM, number))
    typer.echo("called off" if done else "it was at its end already")


@app.command()
def pause(title: Title) -> None:
    """Send nothing more to a destination until it is resumed."""
    with_core(lambda core: core.sending.pause(SYSTEM, title))


@app.command()
def resume(title: Title) -> None:
    """End a pause, or try a destination that is away at once."""
    with_core(lambda core: core.sending.go_on(SYSTEM, title))


@app.command()
def tune(
    title: Title,
    associations: Annotated[int, typer.Option(help="Associations at a time.", min=1, max=32)] = 1,
    kilobytes: Annotated[
        int | None, typer.Option("--kb-per-s", help="Most kB a second; none: no limit.", min=1)
    ] = None,
) -> None:
    """How many associations at a time a destination gets, and how much of its line."""
    rate = None if kilobytes is None else kilobytes * 1000
    with_core(lambda core: core.sending.configure(SYSTEM, title, associations=associations, bytes_per_s=rate))


def _condition(destination: Destination) -> str:
    if destination.paused:
        return "paused"
    if destination.away_until is not None:
        return f"away until {destination.away_until:%H:%M:%S}: {destination.trouble}"
    return "in use"
