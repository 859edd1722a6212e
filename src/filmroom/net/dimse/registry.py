"""The associations that are open now: for limits, and for whoever watches over the archive."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from filmroom.net.dimse.channel import Channel
from filmroom.net.dimse.dialogue import Dialogue


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationReport:
    """One association as it is now. Sizes in bytes, age in seconds. ``operation`` is '' when nothing is asked.

    ``outgoing``: we opened it. ``messages`` are the peer's, ``objects_in`` what it asked to store here, ``objects_out``
    what we asked it to store.
    """

    id: int
    peer: str
    calling_ae: str
    called_ae: str
    opened_at: datetime
    age_s: float
    idle_s: float
    operation: str
    messages: int
    bytes_in: int
    bytes_out: int
    outgoing: bool = False
    messages_out: int = 0
    pdus_in: int = 0
    pdus_out: int = 0
    objects_in: int = 0
    objects_out: int = 0


def report_of(
    channel: Channel,
    dialogue: Dialogue | None,
    *,
    id: int,
    calling_ae: str,
    called_ae: str,
    opened_at: datetime,
    age_s: float,
    outgoing: bool = False,
) -> AssociationReport:
    """An association as its channel and its dialogue have it."""
    return AssociationReport(
        id=id,
        peer=channel.peer_host,
        calling_ae=calling_ae,
        called_ae=called_ae,
        opened_at=opened_at,
        age_s=age_s,
        idle_s=channel.idle_s,
        operation=dialogue.operation if dialogue is not None else "",
        messages=dialogue.messages_in if dialogue is not None else 0,
        bytes_in=channel.bytes_in,
        bytes_out=channel.bytes_out,
        outgoing=outgoing,
        messages_out=dialogue.messages_out if dialogue is not None else 0,
        pdus_in=channel.pdus_in,
        pdus_out=channel.pdus_out,
        objects_in=dialogue.objects_in if dialogue is not None else 0,
        objects_out=dialogue.objects_out if dialogue is not None else 0,
    )


class LiveAssociation(Protocol):
    """An association that can be looked at and ended."""

    @property
    def calling_ae(self) -> str: ...
    def report(self) -> AssociationReport: ...
    def abort(self) -> None: ...


class AssociationRegistry:
    """Every open association by its id; ids are not used again."""

    def __init__(self) -> None:
        self._live: dict[int, LiveAssociation] = {}
        self._by_ae: Counter[str] = Counter()
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[LiveAssociation]:
        return iter(tuple(self._live.values()))

    def count_of(self, calling_ae: str) -> int:
        """Open associations of one AE title."""
        return self._by_ae[calling_ae]

    def add(self, association: LiveAssociation) -> int:
        """Enter it; its id."""
        self._last_id += 1
        self._live[self._last_id] = association
        self._by_ae[association.calling_ae] += 1
        return self._last_id

    def remove(self, id: int) -> None:
        association = self._live.pop(id, None)
        if association is None:
            return
        self._by_ae[association.calling_ae] -= 1
        if not self._by_ae[association.calling_ae]:
            del self._by_ae[association.calling_ae]

    def reports(self) -> list[AssociationReport]:
        """All of them as they are now."""
        return [association.report() for association in self]

    def abort(self, id: int) -> bool:
        """End one; false when it is already gone."""
        association = self._live.get(id)
        if association is None:
            return False
        association.abort()
        return True
