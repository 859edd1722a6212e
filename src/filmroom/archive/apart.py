"""Objects that are not filed as new ones: here already, here with other content, not wanted, not to be indexed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from filmroom.archive.arrival import Arrival
from filmroom.archive.duplicates import Duplicate, Replacing, decide
from filmroom.archive.identity import REFUSAL_STATUS, Refusal
from filmroom.archive.model import Stored
from filmroom.archive.ports import Quarantining
from filmroom.archive.rows import Rows
from filmroom.index.store import Known
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange

log = structlog.get_logger()

_KEPT_APART = {
    "conflict": (Stored.CONFLICT, "SOP Instance UID is here with other content"),
    "not-indexable": (Stored.QUARANTINED, "an attribute cannot be indexed"),
}


class Apart:
    """Finds them, and answers for them."""

    def __init__(self, rows: Rows, blobs: Blobs, quarantine: Quarantining) -> None:
        self._rows = rows
        self._blobs = blobs
        self._quarantine = quarantine

    async def set_apart(self, batch: list[Arrival]) -> list[Arrival]:
        """Deal with what the index has; what remains is to be written."""
        doubtful = [each for each in batch if each.spool is not None or each.suspect or self._rows.may_have(each)]
        if not doubtful:
            return batch
        known = await self._rows.known([arrival.sop_uid for arrival in doubtful])
        if not known:
            return batch
        again = [arrival for arrival in doubtful if arrival.sop_uid in known]
        here = await asyncio.to_thread(self._examine, again, known)
        rest = [arrival for arrival in batch if arrival.sop_uid not in known]
        for arrival, present in zip(again, here, strict=True):
            found = known[arrival.sop_uid]
            if found.state != "visible":
                await self.end(arrival, "refused")
            elif not found.is_same(arrival.digest) or _always_replaces(arrival):
                await self._decide(arrival, found, rest)
            elif present:
                await self.end(arrival, "already")
            else:
                log.warning("lost bytes come again", instance=found.pk)
                arrival.replaces = found
                arrival.supersedes = "" if found.digest == arrival.digest else "its compressed form was lost"
                rest.append(arrival)
        return rest

    async def decide_late(self, arrival: Arrival) -> None:
        """An object that is written already and turned out to have a known UID: it has its answer now, or is marked
        to supersede what is here."""
        known = await self._rows.known([arrival.sop_uid])
        if arrival.sop_uid in known and known[arrival.sop_uid].is_same(arrival.digest):
            await self.end(arrival, "already")
        elif arrival.sop_uid in known:
            await self._decide(arrival, known[arrival.sop_uid], [])
        else:
            await self.end(arrival, "conflict")

    async def _decide(self, arrival: Arrival, found: Known, rest: list[Arrival]) -> None:
        """Another object under a UID that is here: what the policy of its sender says."""
        decision = arrival.decision
        here = await self._rows.copy_here(arrival) if decision is not None else None
        if decision is None or here is None:
            await self.end(arrival, "conflict")
            return
        pk, copy = here
        coming = arrival.copy()
        decided = decide(copy, coming, decision.policy.duplicates)
        match decided.what:
            case Duplicate.REPLACE:
                arrival.replaces, arrival.supersedes = replace(found, pk=pk), decided.reason
                arrival.displaces = copy if copy.where != coming.where else None
                rest.append(arrival)
            case Duplicate.BESIDE:
                arrival.replaces, arrival.displaces = replace(found, pk=pk), copy
                rest.append(arrival)
            case Duplicate.ALREADY | Duplicate.IGNORE:
                if decided.what is Duplicate.IGNORE:
                    await self._rows.note_ignored(arrival, copy, decided.reason)
                await self.end(arrival, "already")
            case Duplicate.REJECT:
                await self._drop(arrival)
                arrival.settle(Stored.REFUSED, decided.reason, REFUSAL_STATUS[Refusal.DUPLICATE_ELSEWHERE])
            case Duplicate.CONFLICT:
                await self.end(arrival, "conflict", decided.reason)

    def _examine(self, again: Sequence[Arrival], known: dict[str, Known]) -> list[bool]:
        present = []
        for arrival in again:
            arrival.make_digest()
            where = known[arrival.sop_uid].where
            present.append(where is not None and self._blobs.present(BlobRange(*where)))
        return present

    async def end(self, arrival: Arrival, kind: str, detail: str = "") -> None:
        """Answer for an object that is not filed as a new one."""
        if kind in ("conflict", "not-indexable"):
            result, comment = _KEPT_APART[kind]
            await self._quarantine.take(
                door=arrival.door,
                source=arrival.source,
                reason=kind,
                detail=detail or comment,
                sop_class=arrival.sop_class,
                sop_uid=arrival.sop_uid,
                transfer_syntax=arrival.transfer_syntax,
                parts=[arrival.head, *arrival.parts],
                spool=arrival.spool,
                digest=arrival.digest,
            )
            arrival.settle(result, comment)
            return
        await self._drop(arrival)
        if kind == "already":
            arrival.settle(Stored.ALREADY)
        else:
            arrival.settle(Stored.REFUSED, "the study or object is withdrawn or being deleted")

    @staticmethod
    async def _drop(arrival: Arrival) -> None:
        if arrival.spool is not None:
            await asyncio.to_thread(arrival.spool.discard)


def _always_replaces(arrival: Arrival) -> bool:
    decision = arrival.decision
    return decision is not None and decision.policy.duplicates.replacing is Replacing.ALWAYS
