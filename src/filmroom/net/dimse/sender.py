"""Send stored objects to a device: as stored where it takes that, else transcoded; a result for each object."""

import dataclasses
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

import structlog

from filmroom.archive.devices import Device
from filmroom.base.errors import FilmroomError, Retry, Unsupported
from filmroom.base.ids import ae_title
from filmroom.base.limits import MAX_PRESENTATION_CONTEXTS
from filmroom.dicom.transfersyntax import EXPLICIT_LE, IMPLICIT_LE
from filmroom.net.dimse.errors import AssociationLost, AssociationRejected, PeerUnreachable
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.outgoing import Originator, Sent, send_objects
from filmroom.net.dimse.pacing import Pace, Paced, Traffic
from filmroom.net.dimse.ports import Located, Retrieve
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.scu import Association, Peer, Proposal
from filmroom.net.dimse.tls import Certificates

log = structlog.get_logger()

# A destination that loses this many associations in a row, without taking one object in between, is given up.
MAX_LOSSES = 3

# For so long after another address of a destination has answered in place of its own, that one is tried first.
DETOUR_S = 60.0


class Sender:
    """Opens associations to devices and sends what is asked."""

    def __init__(
        self,
        retrieve: Retrieve,
        *,
        calling_ae: str,
        limits: ChannelLimits,
        reactor: Reactor,
        certificates: Certificates | None = None,
        recorder: Recorder | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self._certificates = certificates
        self._recorder = recorder
        self._retrieve = retrieve
        self._calling_ae = calling_ae
        self._limits = limits
        self._reactor = reactor
        self._traffic = traffic or Traffic()
        self._detours: dict[str, tuple[Peer, float]] = {}

    async def send(
        self,
        to: Device,
        items: Sequence[Located],
        *,
        originator: Originator | None = None,
        pace: Pace | None = None,
        priority: int = 0,
        retrieve: Retrieve | None = None,
    ) -> AsyncGenerator[Sent, None]:
        """Send in order; exactly one result per object, failures included. Close the iterator to stop early.

        ``pace`` is awaited with the bytes that are about to go: it holds them back where a line must not be filled;
        the device's own limit and the common one hold besides. ``priority``: 1 high, 0 medium, -1 low. ``retrieve``
        hands the objects out where they are not stored ones.
        """
        retrieve = retrieve or self._retrieve
        for each in (pace, self._traffic.pace(to, priority)):
            if each is not None:
                retrieve = Paced(retrieve, each)
        for calling, group in self._by_calling(to, items):
            for batch in batches(group, to.policy.preferred_syntaxes):
                results = self._send_batch(to, calling, batch, originator, retrieve, priority)
                async with aclosing(results):
                    async for sent in results:
                        yield sent

    def _by_calling(self, to: Device, items: Sequence[Located]) -> Iterator[tuple[str, list[Located]]]:
        """The objects in order, cut where another AE title is to send them."""
        own = to.policy.calling_ae or self._calling_ae
        if not to.policy.calling_as_source:
            yield own, list(items)
            return
        group: list[Located] = []
        before = own
        for item in items:
            calling = _title(getattr(item, "source", "")) or own
            if group and calling != before:
                yield before, group
                group = []
            before = calling
            group.append(item)
        if group:
            yield before, group

    async def _send_batch(
        self,
        to: Device,
        calling: str,
        items: Sequence[Located],
        originator: Originator | None,
        retrieve: Retrieve,
        priority: int,
    ) -> AsyncGenerator[Sent, None]:
        """Over one association, or more when it is lost: what was in progress then has failed, the rest goes on."""
        done = losses = 0
        while done < len(items):
            trouble, opened = "", False
            left = items[done:]
            try:
                association, through = await self._open(to, calling, left)
                async with (
                    association,
                    aclosing(
                        send_objects(
                            association.line, retrieve, left, originator, to.policy.preferred_syntaxes, priority
                        )
                    ) as results,
                ):
                    opened = True
                    async for sent in results:
                        done, losses = done + 1, 0
                        yield dataclasses.replace(sent, through=through) if through else sent
            except (PeerUnreachable, AssociationRejected, Unsupported) as error:
                trouble, losses = str(error), MAX_LOSSES
            except AssociationLost as error:
                trouble, losses = str(error), losses + 1
            if done == len(items):
                return
            log.warning("sending was interrupted", destination=to.ae_title, reason=trouble, left=len(items) - done)
            given_up = items[done:] if losses >= MAX_LOSSES else items[done : done + 1]
            for item in given_up:
                done += 1
                retry = Retry.UNSURE if opened else Retry.SAFE
                yield Sent(item.sop_class, item.sop_uid, None, trouble, retry, away=not opened)
                opened = False  # only the first of them may have left

    async def _open(self, to: Device, calling: str, items: Sequence[Located]) -> tuple[Association, str]:
        """An association with the device, and which of its other addresses it is with ('' for its own).

        Raises what its own address gave when none answers.
        """
        peers = Peer.each_of(to, self._certificates, "store")
        own, fault = peers[0], None
        for peer in self._in_turn(to.ae_title, peers):
            try:
                association = await self._call(peer, to, calling, items)
            except (PeerUnreachable, AssociationRejected, AssociationLost) as error:
                fault = error if fault is None or peer == own else fault
                if len(peers) > 1:
                    log.warning("an address of a destination is away", destination=to.ae_title, address=str(peer))
                continue
            if peer == own:
                self._detours.pop(to.ae_title, None)
                return association, ""
            self._detours[to.ae_title] = (peer, self._reactor.loop.time() + DETOUR_S)
            log.info("sending by another address", destination=to.ae_title, address=str(peer))
            return association, str(peer)
        assert fault is not None
        raise fault

    def _in_turn(self, title: str, peers: list[Peer]) -> list[Peer]:
        """The addresses in their order, but for a while first the one that answered last."""
        peer, until = self._detours.get(title, (None, 0.0))
        if peer in peers and self._reactor.loop.time() < until:
            return [peer, *(each for each in peers if each != peer)]
        return peers

    async def _call(self, peer: Peer, to: Device, calling: str, items: Sequence[Located]) -> Association:
        return await Association.open(
            peer,
            proposals_for(items, to.policy.preferred_syntaxes),
            calling_ae=calling,
            limits=self._limits.of_device(to.policy),
            reactor=self._reactor,
            recorder=self._recorder,
        )


def proposals_for(items: Sequence[Located], preferred: Sequence[str] = ()) -> list[Proposal]:
    """One context for each stored or preferred syntax of each class, and one for what everybody reads (PS3.5 10.1)."""
    wanted: dict[tuple[str, tuple[str, ...]], None] = {}
    for item in items:
        for syntaxes in _syntaxes(item, preferred):
            wanted[item.sop_class, syntaxes] = None
    return [Proposal(sop_class, syntaxes) for sop_class, syntaxes in wanted]


def batches(items: Sequence[Located], preferred: Sequence[str] = ()) -> Iterator[list[Located]]:
    """The objects in order, cut where their contexts would pass what one association can hold."""
    batch: list[Located] = []
    contexts: set[tuple[str, tuple[str, ...]]] = set()
    for item in items:
        needed = {(item.sop_class, syntaxes) for syntaxes in _syntaxes(item, preferred)}
        if len(contexts | needed) > MAX_PRESENTATION_CONTEXTS:
            yield batch
            batch, contexts = [], set()
        contexts |= needed
        batch.append(item)
    if batch:
        yield batch


def _syntaxes(item: Located, preferred: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Explicit and implicit stand apart, so that the acceptor's taste cannot take the stored one away."""
    plain = (EXPLICIT_LE, IMPLICIT_LE)
    packed = dict.fromkeys(uid for uid in (item.transfer_syntax, *preferred) if uid not in plain)
    return tuple((uid,) for uid in (*packed, *plain))


def _title(source: str) -> str:
    """The AE title that an object came from; '' when it came another way."""
    try:
        return ae_title(source)
    except (ValueError, FilmroomError):
        return ""
