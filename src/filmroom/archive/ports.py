"""What the archive needs from its own other parts and from outside, as small protocols."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol

from filmroom.archive.commitment_model import Result, Transaction
from filmroom.archive.compression_model import Chosen
from filmroom.archive.devices import Device
from filmroom.archive.retrieve import Located
from filmroom.base.errors import Retry
from filmroom.storage.spool import SpoolFile


class Quarantining(Protocol):
    """Where objects go that cannot be filed."""

    async def take(
        self,
        *,
        door: str,
        source: str,
        reason: str,
        detail: str,
        sop_class: str,
        sop_uid: str,
        transfer_syntax: str,
        parts: Sequence[bytes],
        spool: SpoolFile | None,
        digest: bytes = b"",
    ) -> int:
        """Keep the bytes (``spool``, or else ``parts``) durably with the reason; the entry's id."""
        ...


class AtReceipt(Protocol):
    """What is made of an object that has just become durable, before its sender is told."""

    async def at_receipt(self, study_uid: str, series_uid: str, sop_uid: str, chosen: Chosen) -> None:
        """Never raises; returns in time for the sender."""
        ...


class SentObject(Protocol):
    """What became of one object on its way out.

    ``status`` is the destination's answer, None when there was none; then ``retry`` says whether to try again, and
    ``away`` that there was no association to send it on.
    """

    @property
    def sop_uid(self) -> str: ...
    @property
    def status(self) -> int | None: ...
    @property
    def comment(self) -> str: ...
    @property
    def retry(self) -> Retry: ...
    @property
    def away(self) -> bool: ...
    @property
    def through(self) -> str:
        """Which of the destination's other addresses took it; '' for its own."""
        ...


class ObjectSender(Protocol):
    """Sends objects to a device: in order, one result for each. Closing the iterator stops.

    ``priority`` is as in a C-STORE-RQ turned round: 1 high, 0 medium, -1 low.
    """

    def send(
        self,
        to: Device,
        items: Sequence[Located],
        *,
        pace: Callable[[int], Awaitable[None]] | None = None,
        priority: int = 0,
    ) -> AsyncGenerator[SentObject, None]: ...


class CommitmentPeer(Protocol):
    """Speaks to devices about storage commitment, on associations opened for that. Both answer the peer's status.

    Raises FilmroomError when there is none.
    """

    async def ask(self, to: Device, our_ae: str, transaction: Transaction) -> int: ...
    async def report(self, to: Device, our_ae: str, result: Result) -> int: ...


class OpenLines(Protocol):
    """The associations on which storage commitment was asked of us."""

    async def report(self, peer: str, result: Result) -> bool:
        """Report on the association of the request; False when it does not stand, or the peer did not answer."""
        ...
