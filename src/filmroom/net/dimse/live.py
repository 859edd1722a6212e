"""This process's open associations, both directions, for the list that all processes share."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from weakref import WeakKeyDictionary

from filmroom.archive.devices_live import Live
from filmroom.base.clock import Clock
from filmroom.net.dimse.channel import Channel
from filmroom.net.dimse.listener import DimseListener
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.registry import AssociationReport


class Standing(Protocol):
    """An association that stands."""

    @property
    def channel(self) -> Channel: ...
    def report(self) -> AssociationReport: ...
    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LiveHandle:
    """One of them, with its number in this process."""

    number: int
    association: Standing
    clock: Clock

    def live(self) -> Live:
        report = self.association.report()
        return Live(
            id=self.number,
            inbound=not report.outgoing,
            peer=report.peer,
            calling_ae=report.calling_ae,
            called_ae=report.called_ae,
            opened_at=report.opened_at,
            active_at=self.clock.now() - timedelta(seconds=report.idle_s),
            operation=report.operation,
            messages_in=report.messages,
            messages_out=report.messages_out,
            pdus_in=report.pdus_in,
            pdus_out=report.pdus_out,
            bytes_in=report.bytes_in,
            bytes_out=report.bytes_out,
            objects_in=report.objects_in,
            objects_out=report.objects_out,
        )

    def abort(self) -> None:
        self.association.abort()


class LiveHere:
    """Gathers them; listeners and callers are added as they start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: list[DimseListener] = []
        self._reactors: list[Reactor] = []
        self._numbers: WeakKeyDictionary[Standing, int] = WeakKeyDictionary()
        self._next = itertools.count(1)

    def add_listener(self, listener: DimseListener) -> None:
        """Show what comes in at a started listener, and what it opens itself."""
        self._listeners.append(listener)
        if listener.reactor is not None:
            self._reactors.append(listener.reactor)

    def add_calls(self, reactor: Reactor) -> None:
        """Show what is opened over a reactor."""
        self._reactors.append(reactor)

    def handles(self) -> Iterator[tuple[int, LiveHandle]]:
        """All that stand now, with their numbers."""
        for association in self._standing():
            if not association.channel.established:
                continue  # aborted: the peer has yet to close the connection
            number = self._numbers.get(association)
            if number is None:
                number = self._numbers[association] = next(self._next)
            yield number, LiveHandle(number, association, self._clock)

    def _standing(self) -> Iterable[Standing]:
        for listener in self._listeners:
            yield from listener.sessions
        for reactor in self._reactors:
            yield from tuple(reactor.calls)
