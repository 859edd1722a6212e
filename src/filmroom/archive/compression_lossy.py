"""Lossy compression: a new, derived object with less in it (PS3.3 C.7.6.1.1.5, C.12.4.1), by explicit rule only.

The derived object has a SOP Instance UID of its own, Image Type DERIVED, the ratio and method of its compression, and a
reference to its source. It is filed through the one door, into the same series. Its source stays, or is deleted as a
person deletes: it can be brought back until its bytes are given back.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from filmroom.archive import pixeltasks
from filmroom.archive.compression import TIMEOUT_S, Candidate, Compressor
from filmroom.archive.compression_model import Chosen, Original
from filmroom.archive.delete import Deletion
from filmroom.archive.door import Ingest
from filmroom.archive.model import Stored
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.pixeltasks import StoredData
from filmroom.base.errors import Corrupt, LimitReached, NotFound, NotReadable, Unavailable, Unsupported
from filmroom.dicom.part10 import write_meta
from filmroom.dicom.transcode import Rules
from filmroom.security.principals import SYSTEM, Principal
from filmroom.storage.blobs import Blobs

_READ_BYTES: Final = 1 << 20
_ITS_OWN: Final = (Unsupported, NotReadable, Corrupt, NotFound, LimitReached)


class Removing(Protocol):
    """archive.delete.Deleting."""

    async def delete(
        self, who: Principal, study: str, series: str | None = None, instance: str | None = None, *, reason: str = ""
    ) -> Deletion: ...


class LossyCompression:
    """Makes them. ``new_uid`` gives a UID that nobody has used."""

    def __init__(
        self,
        blobs: Blobs,
        pixels: PixelPool,
        door: Ingest,
        deleting: Removing,
        compressor: Compressor,
        new_uid: Callable[[], str],
    ) -> None:
        self._blobs = blobs
        self._pixels = pixels
        self._door = door
        self._deleting = deleting
        self._compressor = compressor
        self._new_uid = new_uid

    async def derive(self, found: Candidate, chosen: Chosen) -> int:
        """Bytes of the derived object, 0 when there is none: why is written down. Raises Unavailable."""
        with tempfile.TemporaryDirectory(prefix="compress-") as folder:
            path = Path(folder) / "dataset"
            try:
                uid = self._new_uid()
                size = await self._made(found, chosen, path, uid)
                if size >= found.size_bytes:
                    raise Unsupported("it would not get smaller")
                await self._file(found, chosen, path, uid)
            except _ITS_OWN as fault:
                await self._compressor.leave(found, chosen, str(fault))
                return 0
        if chosen.how.original is Original.DELETE:
            reason = f"compressed by rule {chosen.rule}; derived object {uid}"
            await self._deleting.delete(SYSTEM, found.study_uid, found.series_uid, found.sop_uid, reason=reason)
        await self._compressor.leave(found, chosen, f"derived object {uid}", state="derived")
        return size

    async def _made(self, found: Candidate, chosen: Chosen, path: Path, uid: str) -> int:
        stored = found.dataset
        local, start = self._blobs.path(stored)
        where = StoredData(str(local), start, stored.size_bytes, found.transfer_syntax)
        rules = Rules(allow_lossy=True, new_sop_uid=uid, options=chosen.how.options)
        made = await self._pixels.run(
            pixeltasks.transcode_to_file, where, chosen.how.target, rules, str(path), timeout_s=TIMEOUT_S
        )
        return int(made["size_bytes"])

    async def _file(self, found: Candidate, chosen: Chosen, path: Path, uid: str) -> None:
        incoming = self._door.begin(SYSTEM, door="compression", source=found.source, transfer_syntax=None, part10=True)
        try:
            incoming.write(write_meta(found.sop_class, uid, chosen.how.target, ""))
            with path.open("rb") as file:
                while piece := file.read(_READ_BYTES):
                    incoming.write(piece)
                    if incoming.full:
                        await incoming.drain()
        except BaseException:
            await incoming.discard()
            raise
        outcome = await incoming.finish()
        if outcome.result in (Stored.UNAVAILABLE, Stored.NO_SPACE):
            raise Unavailable(outcome.comment)
        if not outcome.safe:
            raise NotReadable(f"the derived object was not filed: {outcome.comment or outcome.result.value}")
