"""``filmroom get``: take studies from another node into this archive (C-GET)."""

from contextlib import aclosing

from rich.console import Console

from filmroom.app.core import Core
from filmroom.base.ids import ae_title
from filmroom.cli.keys import identifier
from filmroom.cli.peers import BadCommand, Calling, Keys, Peer, PeerFailed, open_peer, progress
from filmroom.cli.running import with_core
from filmroom.net.dimse.errors import ContextMissing
from filmroom.net.dimse.fetch import Asker, Got, NothingFound, fetch, look
from filmroom.net.dimse.models import QUERY_RETRIEVE_LEVEL
from filmroom.security.principals import SYSTEM
from filmroom.wire.dimse.status import C_GET, SUCCESS, status_name

screen = Console(highlight=False)


def get(peer: Peer, keys: Keys = None, calling: Calling = "") -> None:
    """Take studies from a node into this archive (C-GET): what a search finds there, and nothing else is proposed."""
    wanted = dict(identifier("STUDY", keys or [], bare=True).dataset)
    wanted.pop(QUERY_RETRIEVE_LEVEL, None)
    if not wanted:
        raise BadCommand("name what to take: StudyInstanceUID=..., PatientID=..., AccessionNumber=...")
    to = open_peer(peer, "get")

    async def work(core: Core) -> list[Got]:
        asker = Asker(ae_title(calling or core.settings.dimse.ae_title))
        series = await look(to, wanted, asker)
        if not series:
            raise NothingFound(f"{peer} has nothing that matches")
        ends: dict[str, Got] = {}
        with progress() as shown:
            task = shown.add_task("taking", total=sum(each.objects for each in series))
            async with aclosing(fetch(to, series, core.ingest, SYSTEM, asker)) as answers:
                async for each, got in answers:
                    ends[each.uid] = got
                    shown.update(task, completed=sum(end.completed + end.warning for end in ends.values()))
        return list(ends.values())

    try:
        ends = with_core(work)
    except ContextMissing as error:
        raise PeerFailed(f"{peer} does not offer C-GET: use `filmroom move`") from error
    failed = [each for each in ends if each.status != SUCCESS]
    taken, lost = sum(each.completed + each.warning for each in ends), sum(each.failed for each in ends)
    screen.print(f"{taken} objects taken in from {len(ends)} series, {lost} failed")
    if failed:
        last = failed[-1]
        said = f"{last.status:04X}H {status_name(last.status, C_GET)}"
        raise PeerFailed(f"{said}: {last.comment}" if last.comment else said)
