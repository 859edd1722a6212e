"""An object that has arrived whole, on its way through filing."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from filmroom.archive.duplicates import Copy
from filmroom.archive.model import MAX_COMMENT_CHARACTERS, Outcome, Stored
from filmroom.archive.rules import Decision
from filmroom.dicom.attributes import QuickKeys
from filmroom.dicom.headertap import Header
from filmroom.index.store import Known
from filmroom.storage.model import BlobRange
from filmroom.storage.spool import SpoolFile


@dataclass(slots=True, eq=False)
class Arrival:
    """Its bytes are ``head`` and ``parts``, or in ``spool`` when it was too large to hold.

    ``place`` and ``digest`` (SHA-256 of the data set) come about on the way.
    """

    door: str
    source: str
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    header: Header
    keys: QuickKeys
    head: bytes
    parts: Sequence[bytes]
    size_bytes: int
    answer: asyncio.Future[Outcome]
    spool: SpoolFile | None = None
    digest: bytes = b""
    digesting: "asyncio.Future[None] | None" = None  # while ``digest`` is made elsewhere
    place: BlobRange | None = None
    warnings: tuple[str, ...] = ()
    suspect: bool = False  # the same UID was on its way already
    replaces: Known | None = None  # the index has it, its bytes are lost
    decision: Decision | None = None  # what the rules of storing say of it, where there are any
    supersedes: str = ""  # why it takes the place of ``replaces``, whose bytes are not lost
    displaces: Copy | None = None  # which is in another series; with ``supersedes`` it goes, or else it stays beside
    since: float = 0.0  # loop time at which it came to the desk

    @property
    def coerced(self) -> bool:
        """Whether something was decided that is kept beside the object."""
        return self.decision is not None and self.decision.edit is not None

    def copy(self) -> Copy:
        """As a decision about duplicates sees it."""
        return Copy(self.keys.study_uid, self.keys.series_uid, self.source, self.digest)

    def outcome(self, result: Stored, comment: str = "", status: int = 0) -> Outcome:
        keys = self.keys
        comment = comment[:MAX_COMMENT_CHARACTERS]
        uids = (self.sop_class, self.sop_uid, keys.study_uid, keys.series_uid)
        return Outcome(result, *uids, comment, self.warnings, status)

    def settle(self, result: Stored, comment: str = "", status: int = 0) -> None:
        """Answer, if somebody still waits."""
        if not self.answer.done():
            self.answer.set_result(self.outcome(result, comment, status))

    def make_digest(self) -> None:
        """Fill ``digest``; blocks."""
        if self.digest:
            return
        if self.spool is not None:
            self.digest = self.spool.digest()
            return
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(part)
        self.digest = digest.digest()

    def blob_digest(self) -> bytes:
        """SHA-256 over the digests of file header and data set (see table ``location``)."""
        return hashlib.sha256(hashlib.sha256(self.head).digest() + self.digest).digest()
