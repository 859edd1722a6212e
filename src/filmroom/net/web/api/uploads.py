"""``/api/v1/uploads``: files from a desk, one object or a ZIP of them, and what became of each.

The archive's other doors take what modalities send; this one also takes what is no DICOM, and says so.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.door import Incoming, Ingest
from filmroom.archive.importer import SNIFF_BYTES, import_path
from filmroom.archive.model import Outcome, Stored
from filmroom.base.errors import NotReadable
from filmroom.dicom.part10 import read_meta
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Shape, operation
from filmroom.net.web.bodies import chunks
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action
from filmroom.security.principals import Principal

DOOR: Final = "upload"
ZIP_START: Final = b"PK\x03\x04"
# Studies that an answer names; more of them are found by their arrival.
MOST_STUDIES: Final = 100


class UploadAnswer(Shape):
    """What became of the objects of an upload. ``skipped``: no DICOM, or a DICOMDIR. ``reasons``: why, and how often,
    for what is in quarantine or failed."""

    filed: int
    already: int
    quarantined: int
    failed: int
    skipped: int
    reasons: dict[str, int]
    studies: list[str]


class Uploads:
    """The handler."""

    def __init__(self, services: WebServices) -> None:
        self._ingest = services.ingest
        self._most_bytes = services.settings.web.max_store_bytes
        self._folder = services.settings.data

    def routes(self) -> list[Route]:
        return [Route("/api/v1/uploads", self.take, methods=["POST"])]

    @operation(
        "Take a DICOM file, or a ZIP of them",
        tag="uploads",
        text="The body is the file itself, whatever its Content-Type; what it is, its first bytes say.",
        returns=UploadAnswer,
        errors=[413, 507],
        permission=Action.STORE,
    )
    async def take(self, request: Request) -> Response:
        watched = _Watched(self._ingest)
        body = chunks(request, most_bytes=self._most_bytes)
        start = await _start(body)
        if start.startswith(ZIP_START):
            return answer(await self._zip(who(request), watched, start, body))
        return answer(await self._file(who(request), watched, start, body))

    async def _file(self, by: Principal, watched: "_Watched", start: bytes, body: AsyncIterator[bytes]) -> UploadAnswer:
        if not _is_dicom(start):
            async for _ in body:
                pass  # a client that is cut off while it sends sees no answer
            return watched.told(skipped=1)
        incoming = watched.begin(by, door=DOOR, source=by.name, transfer_syntax=None, part10=True)
        try:
            incoming.write(start)
            async for chunk in body:
                incoming.write(chunk)
                if incoming.full:
                    await incoming.drain()
        except BaseException:
            await incoming.discard()
            raise
        await incoming.finish()
        return watched.told()

    async def _zip(self, by: Principal, watched: "_Watched", start: bytes, body: AsyncIterator[bytes]) -> UploadAnswer:
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="upload-") as folder:
            path = Path(folder) / "upload.zip"
            with path.open("wb") as file:
                await asyncio.to_thread(file.write, start)
                async for chunk in body:
                    await asyncio.to_thread(file.write, chunk)
            summary = await import_path(watched, by, path)
        return watched.told(skipped=summary.skipped + summary.directories, failed=summary.failed - watched.failed)


class _Watched:
    """The archive's door, with what came of each object noted."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._outcomes: list[Outcome] = []

    def begin(
        self,
        who: Principal,
        *,
        door: str,
        source: str,
        transfer_syntax: str | None,
        sop_class: str = "",
        sop_uid: str = "",
        part10: bool,
        called: str = "",
        host: str = "",
    ) -> Incoming:
        del door, source, called, host
        incoming = self._ingest.begin(
            who,
            door=DOOR,
            source=who.name,
            transfer_syntax=transfer_syntax,
            sop_class=sop_class,
            sop_uid=sop_uid,
            part10=part10,
        )
        return _Noted(incoming, self._outcomes)

    @property
    def failed(self) -> Counter[str]:
        """Why objects were neither filed nor put into quarantine."""
        return Counter(each.comment for each in self._outcomes if _kind(each) == "failed")

    def told(self, *, skipped: int = 0, failed: Counter[str] | None = None) -> UploadAnswer:
        """The answer; ``failed`` are those that did not even get here."""
        kinds = Counter(map(_kind, self._outcomes))
        reasons = Counter(each.comment for each in self._outcomes if _kind(each) in ("quarantined", "failed"))
        unread = failed or Counter()
        studies = dict.fromkeys(each.study_uid for each in self._outcomes if each.safe)
        return UploadAnswer(
            filed=kinds["filed"],
            already=kinds["already"],
            quarantined=kinds["quarantined"],
            failed=kinds["failed"] + unread.total(),
            skipped=skipped,
            reasons=dict((reasons + unread).most_common(20)),
            studies=list(studies)[:MOST_STUDIES],
        )


class _Noted:
    """One object on its way in, its end noted."""

    def __init__(self, incoming: Incoming, outcomes: list[Outcome]) -> None:
        self._incoming = incoming
        self._outcomes = outcomes

    def write(self, chunk: bytes | memoryview) -> None:
        self._incoming.write(chunk)

    @property
    def full(self) -> bool:
        return self._incoming.full

    async def drain(self) -> None:
        await self._incoming.drain()

    async def finish(self) -> Outcome:
        outcome = await self._incoming.finish()
        self._outcomes.append(outcome)
        return outcome

    async def discard(self) -> None:
        await self._incoming.discard()


def _kind(outcome: Outcome) -> str:
    match outcome.result:
        case Stored.NEW:
            return "filed"
        case Stored.ALREADY:
            return "already"
        case Stored.CONFLICT | Stored.QUARANTINED:
            return "quarantined"
    return "failed"


async def _start(body: AsyncIterator[bytes]) -> bytes:
    """Enough of the beginning to tell what it is."""
    start = b""
    async for chunk in body:
        start += chunk
        if len(start) >= SNIFF_BYTES:
            break
    if not start:
        raise NotReadable("the body is empty")
    return start


def _is_dicom(start: bytes) -> bool:
    try:
        meta = read_meta(start, complete=len(start) < SNIFF_BYTES)
    except NotReadable:
        return False
    return meta is None or not meta.is_dicomdir
