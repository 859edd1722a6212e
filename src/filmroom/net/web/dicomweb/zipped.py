"""A study as a ZIP archive, made while it is sent: stored, not compressed, for pixels do not shrink twice."""

import asyncio
import re
import zipfile
from collections.abc import AsyncIterator, Sequence

import orjson

from filmroom.archive.retrieve import Located
from filmroom.base.errors import FilmroomError
from filmroom.dicom.render_report import first_text, person_text
from filmroom.net.web.dicomweb.annotation import date_text
from filmroom.net.web.ports import Retrieve, SeriesDocuments
from filmroom.security.principals import Principal

CHUNK_BYTES = 1 << 20
# Windows takes paths of 260 characters; three folders and a file stay below.
MAX_NAME = 60
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*\u2028\u2029]+')


class _Sink:
    """What zipfile writes into; it cannot seek, so sizes follow the data."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.held = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.held += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._parts, self.held = b"".join(self._parts), [], 0
        return taken


async def zip_stream(
    retrieve: Retrieve, named: Sequence[tuple[str, Located]], syntaxes: Sequence[str]
) -> AsyncIterator[bytes]:
    """The archive in chunks. What cannot be given is named in ``MISSING.txt`` instead of breaking the whole."""
    sink = _Sink()
    missing: list[str] = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, item in named:
            try:
                made = await retrieve.file(item, syntaxes)
            except FilmroomError as error:
                missing.append(f"{name}: {error}")
                continue
            large = made.size_bytes is None or made.size_bytes >= 2**31
            with archive.open(name, "w", force_zip64=large) as file:
                async for chunk in made.chunks:
                    file.write(chunk)
                    if sink.held >= CHUNK_BYTES:
                        yield sink.take()
        if missing:
            archive.writestr("MISSING.txt", "\n".join(missing) + "\n")
    yield sink.take()


async def zip_names(documents: SeriesDocuments, who: Principal, items: Sequence[Located]) -> list[tuple[str, Located]]:
    """A path for each object that a person can read: patient, study, series, number."""
    folders: dict[str, str] = {}
    taken: set[str] = set()
    named = []
    for number, item in enumerate(items, 1):
        if item.series_uid not in folders:
            folders[item.series_uid] = await _folder(documents, who, item, len(folders) + 1, set(folders.values()))
        place = f"{item.instance_number:05d}" if item.instance_number is not None else f"{number:05d}"
        path = f"{folders[item.series_uid]}/{place}.dcm"
        if path in taken:
            path = f"{folders[item.series_uid]}/{place}-{number:05d}.dcm"
        taken.add(path)
        named.append((path, item))
    return named


async def _folder(documents: SeriesDocuments, who: Principal, item: Located, number: int, others: set[str]) -> str:
    document = await documents.series_metadata(who, item.study_uid, item.series_uid)
    line = await asyncio.to_thread(document.instance, item.sop_uid)
    found = orjson.loads(line)[0] if line is not None else {}
    patient = f"{person_text((found.get('00100010', {}).get('Value') or [None])[0])} {first_text(found, '00100020')}"
    study = f"{date_text(first_text(found, '00080020'))} {first_text(found, '00081030')}"
    kind = f"{first_text(found, '00080060')} {first_text(found, '0008103E')}"
    told = first_text(found, "00200011")
    series = f"{int(told):03d} {kind}" if told.isdecimal() and len(told) < 8 else f"{number:03d} {kind}"
    path = "/".join((_name(patient, "patient"), _name(study, "study"), _name(series, "series")))
    return path if path not in others else f"{path} ({number})"


def _name(text: str, default: str) -> str:
    """Text as one folder name of any file system."""
    kept = " ".join(_NOT_IN_NAMES.sub("_", text).split())[:MAX_NAME].strip(" .")
    return kept or default
