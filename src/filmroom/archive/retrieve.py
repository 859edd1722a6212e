"""Hand out what is stored: find the bytes, give them as they are, or in another transfer syntax."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from filmroom.archive import pixeltasks
from filmroom.archive.corrections_out import edited_stream, edits_of
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.pixeltasks import StoredData
from filmroom.archive.sight import Looks, Sight, unwatched
from filmroom.base.errors import FilmroomError, NotFound, NotReadable, Unsupported
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.edits import Edit
from filmroom.dicom.part10 import write_meta
from filmroom.dicom.pixels_codecs import Codec, coding
from filmroom.dicom.pixels_object import StoredObject
from filmroom.dicom.transcode import Rules, transcoded
from filmroom.dicom.transfersyntax import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, lookup
from filmroom.index.query_view import states
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.storage.blobs import CHUNK_BYTES, Blobs
from filmroom.storage.model import BlobRange

ANY = "*"

# What a peer that cannot take the stored syntax is offered, best first: plain before compressed (everybody reads it),
# lossless only.
PREFERRED = (
    EXPLICIT_LE,
    IMPLICIT_LE,
    "1.2.840.10008.1.2.4.80",  # JPEG-LS: compresses best and fast
    "1.2.840.10008.1.2.4.201",  # HTJ2K
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.90",  # JPEG 2000
    "1.2.840.10008.1.2.4.70",  # JPEG lossless
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.5",  # RLE
    DEFLATED_LE,
    EXPLICIT_BE,
)

# Up to this a rewritten data set is made in one go and its length is known before the first byte leaves.
WHOLE_BELOW_BYTES = 4 * 2**20
# A data set that decodes to more than this goes through a scratch file instead of through memory.
SCRATCH_ABOVE_BYTES = 4 * 2**20
# Transcoding a cine of some hundred megabytes to JPEG 2000 takes minutes.
TRANSCODE_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """One stored object and where its bytes are. ``where`` is the Part 10 file; the data set begins at
    ``dataset_offset`` of it, ``header_bytes`` of the data set come before its pixel element."""

    pk: int
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    transfer_syntax: str
    where: BlobRange
    dataset_offset: int
    header_bytes: int
    size_bytes: int
    digest: bytes
    instance_number: int | None = None
    frames: int | None = None
    source: str = ""  # the AE title that it came from, or another word for where
    edit: Edit | None = field(default=None, compare=False)  # how it goes out; None: as it came

    @property
    def dataset(self) -> BlobRange:
        """Where the data set is, without the file header."""
        where, skip = self.where, self.dataset_offset
        return BlobRange(where.store, where.key, where.start + skip, where.size_bytes - skip)


@dataclass(frozen=True, slots=True)
class Handout:
    """A data set on its way out. ``size_bytes`` is None where it is not known before the end.

    ``chunks`` must be used up or closed. ``where`` is set when the bytes go out as they are stored.
    """

    transfer_syntax: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]
    where: BlobRange | None = None


class Retrieve:
    """Use cases of retrieval. Every method raises Forbidden, Unavailable, Corrupt or NotFound where it applies."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        pixels: PixelPool,
        *,
        scratch: Path | None = None,
        sight: Sight | None = None,
        looks: Looks = unwatched,
    ) -> None:
        self._db = db
        self._sight = sight or Sight(time.monotonic)
        self._looks = looks
        self._blobs = blobs
        self._pixels = pixels
        self._scratch = scratch or Path(tempfile.gettempdir())
        self._sql = load("filmroom.archive", "retrieve.sql")

    async def locate(
        self,
        who: Principal,
        *,
        patient: tuple[str, str | None] | None = None,
        studies: Sequence[str] = (),
        series: Sequence[str] = (),
        instances: Sequence[str] = (),
        action: Action = Action.VIEW,
    ) -> list[Located]:
        """Every visible object that all given lists contain, ordered by study, series number, instance number.

        ``patient`` is an identifier and its issuer (None: whatever the issuer). Nothing given finds nothing. ``action``
        is what it is wanted for: only what lies in the scopes of that is found.
        """
        demand(who, action)
        view = who.view if action is Action.VIEW else view_for(who, action)
        async with self._db.connection() as connection:
            if patient is not None:
                rows = await self._sql.studies_of_patient.all(connection, patient_id=patient[0], issuer=patient[1])
                owned = [row["study_uid"] for row in rows]
                studies = [uid for uid in owned if not studies or uid in studies]
                if not studies:
                    return []
            within = list(studies) or None
            if instances:
                rows = await self._sql.located_by_instance.all(
                    connection,
                    states=states(view),
                    instances=list(instances),
                    series=list(series) or None,
                    studies=within,
                )
            elif series:
                rows = await self._sql.located_by_series.all(
                    connection, states=states(view), series=list(series), studies=within
                )
            elif within:
                rows = await self._sql.located_by_study.all(connection, states=states(view), studies=within)
            else:
                return []
            if view.narrow:
                known = await self._sight.of(connection, view, {row["series_pk"] for row in rows})
                rows = [row for row in rows if row["series_pk"] in known]
            corrected = [row["pk"] for row in rows if row["corrected"] and not view.as_received]
            edits = await edits_of(connection, corrected) if corrected else {}
        await self._looks(who, action, {row["study_uid"] for row in rows})
        return [_located(row, edits.get(row["pk"])) for row in rows]

    async def one(self, who: Principal, study: str, series: str, instance: str) -> Located:
        """The object of these three UIDs. Raises NotFound."""
        found = await self.locate(who, studies=(study,), series=(series,), instances=(instance,))
        if not found:
            raise NotFound("there is no such instance")
        return found[0]

    async def handout(self, item: Located, acceptable: Sequence[str] = (ANY,), *, corrected: bool = True) -> Handout:
        """The data set (no file header) in the stored transfer syntax if that is acceptable, else in the best that is;
        as it is known to be, or as it was received unless ``corrected``.

        Raises Unsupported when the object can be written in none of them without loss, NotReadable when it is broken.
        """
        if corrected and item.edit is not None:
            made = await self.handout(item, acceptable, corrected=False)
            deflated = lookup(made.transfer_syntax).deflated
            chunks, size = await edited_stream(
                made.chunks, made.transfer_syntax, item.edit, made.size_bytes, deflated=deflated
            )
            return Handout(made.transfer_syntax, size, chunks)
        if ANY in acceptable or item.transfer_syntax in acceptable:
            where = item.dataset
            return Handout(item.transfer_syntax, where.size_bytes, self._blobs.stream(where), where)
        fault: FilmroomError = Unsupported("none of the transfer syntaxes offered can be written")
        for target in targets(item.transfer_syntax, acceptable):
            try:
                return await self._rewritten(item, target)
            except (Unsupported, NotReadable) as error:
                fault = error  # another one may do
        raise fault

    async def file(
        self, item: Located, acceptable: Sequence[str] = (ANY,), *, source_ae: str = "", corrected: bool = True
    ) -> Handout:
        """The same as a Part 10 file; as it was filed when the stored transfer syntax is acceptable."""
        as_filed = item.edit is None or not corrected
        if as_filed and (ANY in acceptable or item.transfer_syntax in acceptable):
            return Handout(item.transfer_syntax, item.where.size_bytes, self._blobs.stream(item.where), item.where)
        made = await self.handout(item, acceptable, corrected=corrected)
        meta = write_meta(item.sop_class, item.sop_uid, made.transfer_syntax, source_ae)
        size = None if made.size_bytes is None else made.size_bytes + len(meta)
        return Handout(made.transfer_syntax, size, _prefixed(meta, made.chunks))

    def stored_data(self, item: Located) -> StoredData:
        """Where the data set is, as worker processes take it."""
        path, start = self._blobs.path(item.dataset)
        return StoredData(str(path), start, item.dataset.size_bytes, item.transfer_syntax)

    async def _rewritten(self, item: Located, target: str) -> Handout:
        source = lookup(item.transfer_syntax)
        wire_only = _plain(item.transfer_syntax) and _plain(target)
        if wire_only and not source.deflated and item.size_bytes > WHOLE_BELOW_BYTES:
            pieces = transcoded(await asyncio.to_thread(self._open, item), target, Rules())
            return Handout(target, None, _in_thread(pieces))
        if wire_only and item.size_bytes <= WHOLE_BELOW_BYTES:
            return _whole(target, await asyncio.to_thread(self._rewrite, item, target))
        if item.size_bytes <= SCRATCH_ABOVE_BYTES and (item.frames or 1) == 1:
            where = self.stored_data(item)
            data = await self._pixels.run(
                pixeltasks.transcode_to_bytes, where, target, Rules(), timeout_s=TRANSCODE_TIMEOUT_S
            )
            return _whole(target, data)
        return await self._by_scratch(item, target)

    def _open(self, item: Located) -> StoredObject:
        where = item.dataset

        def read(offset: int, length: int) -> bytes:
            length = max(0, min(length, where.size_bytes - offset))
            return self._blobs.read_sync(where, offset, length) if length else b""

        return StoredObject.open(read, where.size_bytes, item.transfer_syntax)

    def _rewrite(self, item: Located, target: str) -> bytes:
        data = self._blobs.read_sync(item.dataset)
        return b"".join(transcoded(StoredObject.of(data, item.transfer_syntax), target, Rules()))

    async def _by_scratch(self, item: Located, target: str) -> Handout:
        """Through a file that has no name any more by the time its first byte is read."""
        folder = tempfile.mkdtemp(prefix="transcode-", dir=self._scratch)
        path = Path(folder) / "dataset"
        try:
            await self._pixels.run(
                pixeltasks.transcode_to_file,
                self.stored_data(item),
                target,
                Rules(),
                str(path),
                timeout_s=TRANSCODE_TIMEOUT_S,
            )
            file = path.open("rb")
        finally:
            await asyncio.to_thread(_remove, path)
        return Handout(target, os.fstat(file.fileno()).st_size, _in_thread(_chunks(file)))


def targets(stored: str, acceptable: Sequence[str]) -> list[str]:
    """What to try, best first, for an object whose stored syntax is not acceptable; never a lossy target.

    A native object goes out native if it can: that costs nothing. Syntaxes that are not in PREFERRED come last.
    """
    wanted = set(acceptable)
    known = [uid for uid in PREFERRED if uid in wanted]
    others = [uid for uid in acceptable if uid not in PREFERRED and _writable(uid)]
    if _plain(stored):
        known.sort(key=lambda uid: not _plain(uid))
    return [uid for uid in known + others if uid != stored]


def _plain(transfer_syntax: str) -> bool:
    return not lookup(transfer_syntax).encapsulated


def _writable(transfer_syntax: str) -> bool:
    how = coding(transfer_syntax)
    return how.codec is not Codec.OPAQUE and not how.lossy and how.max_bits > 0


def as_received(items: Sequence[Located]) -> list[Located]:
    """The same objects, to be handed out as they came."""
    return [item if item.edit is None else replace(item, edit=None) for item in items]


def _located(row: Mapping[str, Any], edit: Edit | None) -> Located:
    return Located(
        pk=row["pk"],
        study_uid=row["study_uid"],
        series_uid=row["series_uid"],
        sop_uid=row["sop_uid"],
        sop_class=row["sop_class"],
        transfer_syntax=row["transfer_syntax"],
        where=BlobRange(row["store"], row["key"], row["start"], row["stored_bytes"]),
        dataset_offset=row["dataset_offset"],
        header_bytes=row["header_bytes"],
        size_bytes=row["size_bytes"],
        digest=row["digest"],
        instance_number=row["instance_number"],
        frames=row["frames"],
        source=row["source"],
        edit=edit,
    )


def _whole(transfer_syntax: str, data: bytes) -> Handout:
    return Handout(transfer_syntax, len(data), _pieces(data))


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES] if len(data) > CHUNK_BYTES else data


async def _prefixed(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


async def _in_thread(pieces: Any) -> AsyncIterator[bytes]:
    """An iterator that blocks, moved off the event loop and closed with it."""
    try:
        while (piece := await asyncio.to_thread(partial(next, pieces, None))) is not None:
            yield piece
    finally:
        with contextlib.suppress(FilmroomError, ValueError):
            pieces.close()


def _chunks(file: Any) -> Any:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.rmdir()
