"""Objects that are not filed as new ones: here already, here with other content, not wanted, not to be indexed."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from filmroom.archive.arrival import Arrival
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

    async def set_apart(self, batch: list[Arrival], thread: ThreadPoolExecutor | None) -> list[Arrival]:
        """Deal with what the index has; what remains is to be written."""
        doubtful = [each for each in batch if each.spool is not None or each.suspect or self._rows.may_have(each)]
        if not doubtful:
            return batch
        known = await self._rows.known([arrival.sop_uid for arrival in doubtful])
        if not known:
            return batch
        again = [arrival for arrival in doubtful if arrival.sop_uid in known]
        here = await asyncio.get_running_loop().run_in_executor(thread, self._examine, again, known)
        rest = [arrival for arrival in batch if arrival.sop_uid not in known]
        for arrival, present in zip(again, here, strict=True):
            found = known[arrival.sop_uid]
            if found.state != "visible":
                await self.end(arrival, "refused")
            elif found.digest != arrival.digest:
                await self.end(arrival, "conflict")
            elif present:
                await self.end(arrival, "already")
            else:
                log.warning("lost bytes come again", instance=found.pk)
                arrival.replaces = found
                rest.append(arrival)
        return rest

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
        if arrival.spool is not None:
            await asyncio.to_thread(arrival.spool.discard)
        if kind == "already":
            arrival.settle(Stored.ALREADY)
        else:
            arrival.settle(Stored.REFUSED, "the study or object is withdrawn or being deleted")
