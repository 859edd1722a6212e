"""Files on their way to a peer: read enough of each to know what it is, and group them into associations."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filmroom.base.errors import RemoteFault
from filmroom.base.limits import MAX_PRESENTATION_CONTEXTS
from filmroom.dicom.attributes import quick_keys
from filmroom.dicom.headertap import HeaderTap
from filmroom.dicom.part10 import read_meta
from filmroom.net.dimse.scu import Proposal

STEP_BYTES = 1 << 20
# More than any file header takes; the rest is read while it is sent.
HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that can be sent."""

    path: Path
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    dataset_offset: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its data set."""
        with self.path.open("rb") as file:
            file.seek(self.dataset_offset)
            while chunk := await asyncio.to_thread(file.read, STEP_BYTES):
                yield chunk


def prepare(paths: Iterable[Path]) -> tuple[list[Prepared], list[tuple[Path, str]]]:
    """What can be sent of ``paths`` (folders are walked), and what not, each with the reason."""
    good: list[Prepared] = []
    strange: list[tuple[Path, str]] = []
    for path in _walk(paths):
        try:
            good.append(_look(path))
        except (RemoteFault, OSError) as fault:
            strange.append((path, str(fault)))
    return good, strange


def batches(files: list[Prepared]) -> Iterator[tuple[list[Prepared], list[Proposal]]]:
    """Files that one association can carry, with what to propose for them (one context a class and syntax)."""
    batch: list[Prepared] = []
    contexts: dict[tuple[str, str], None] = {}
    for file in files:
        pair = (file.sop_class, file.transfer_syntax)
        if pair not in contexts and len(contexts) == MAX_PRESENTATION_CONTEXTS:
            yield batch, _proposals(contexts)
            batch, contexts = [], {}
        contexts[pair] = None
        batch.append(file)
    if batch:
        yield batch, _proposals(contexts)


def _proposals(contexts: Iterable[tuple[str, str]]) -> list[Proposal]:
    return [Proposal(sop_class, (syntax,)) for sop_class, syntax in contexts]


def _walk(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        else:
            yield path


def _look(path: Path) -> Prepared:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    meta = read_meta(head, complete=True)
    assert meta is not None
    if meta.is_dicomdir:
        raise RemoteFault("a DICOMDIR lists objects and is none itself")
    tap = HeaderTap(meta.transfer_syntax)
    with path.open("rb") as file:
        file.seek(meta.dataset_offset)
        while (chunk := file.read(STEP_BYTES)) and tap.feed(chunk):
            pass
    keys = quick_keys(tap.finish())
    return Prepared(path, keys.sop_class, keys.sop_uid, meta.transfer_syntax, meta.dataset_offset)
