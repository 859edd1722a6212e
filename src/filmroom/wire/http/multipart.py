"""multipart/related, written and read (RFC 2046 5.1, RFC 2387, PS3.18 8.6.1.2). Bytes in, events out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.wire.http.mediatypes import MULTIPART, MediaType, write

# A part of DICOMweb has three or four header lines.
MAX_PART_HEADER = 16_384
# What may stand before the first boundary; senders write nothing or one line.
MAX_PREAMBLE = 65_536
# One request of this many objects is already a fortnight of CT slices.
MAX_PARTS = 100_000
# RFC 2046 5.1.1 allows 70; Orthanc's own STOW-RS client writes 73 (two UUIDs and a hyphen).
MAX_BOUNDARY = 200


def content_type(media: str, boundary: str) -> str:
    """The Content-Type of a multipart answer; ``type`` always quoted, as it holds a slash (RFC 2387 3.1)."""
    return write(MULTIPART, type=media, boundary=boundary)


def open_part(boundary: str, headers: Mapping[str, str], *, first: bool) -> bytes:
    """The delimiter and headers that go before a part's bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{'' if first else chr(13) + chr(10)}--{boundary}\r\n{lines}\r\n".encode("latin-1")


def close(boundary: str, *, empty: bool = False) -> bytes:
    """What goes after the last part."""
    return f"{'' if empty else chr(13) + chr(10)}--{boundary}--\r\n".encode("latin-1")


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part's headers are complete; names in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part; a view that holds until the next call of ``receive``."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete."""


Event: TypeAlias = PartBegin | PartData | PartEnd


class _At(Enum):
    PREAMBLE = auto()
    DELIMITER = auto()
    HEADERS = auto()
    BODY = auto()
    EPILOGUE = auto()


class MultipartReader:
    """Cut a multipart body into parts. Holds at most one part's headers, or a delimiter's length of its data."""

    def __init__(self, boundary: str) -> None:
        if not 1 <= len(boundary) <= MAX_BOUNDARY or not boundary.isascii():
            raise NotReadable("the multipart boundary is missing or cannot be one (RFC 2046 5.1.1)")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first delimiter may stand at the very beginning, without the line end before it.
        self._held = b"\r\n"
        self._at = _At.PREAMBLE
        self._skipped = 0
        self._parts = 0

    @property
    def complete(self) -> bool:
        """Whether the closing delimiter has been read."""
        return self._at is _At.EPILOGUE

    def receive(self, data: bytes) -> list[Event]:
        """The events in ``data``. Raises NotReadable, LimitReached."""
        if self._at is _At.EPILOGUE:
            return []
        whole = self._held + data if self._held else data
        events: list[Event] = []
        at = 0
        while True:
            after = self._step(whole, at, events)
            if after is None:
                return events
            at = after

    def finish(self) -> None:
        """The body has ended. Raises NotReadable when it ended inside a part."""
        if not self.complete:
            raise NotReadable("the multipart body ends before its closing boundary")

    def _step(self, whole: bytes, at: int, events: list[Event]) -> int | None:
        """Take one thing from ``whole`` at ``at``: where the next begins, or None when more bytes are needed."""
        if self._at is _At.DELIMITER:
            return self._delimiter_line(whole, at, events)
        if self._at is _At.HEADERS:
            return self._headers(whole, at, events)
        if self._at is _At.EPILOGUE:
            self._held = b""
            return None
        return self._body(whole, at, events)

    def _body(self, whole: bytes, at: int, events: list[Event]) -> int | None:
        found = whole.find(self._delimiter, at)
        # Without a delimiter, all but its possible beginning is data.
        end = found if found >= 0 else max(at, len(whole) - len(self._delimiter) + 1)
        self._data(whole, at, end, events)
        if found < 0:
            self._held = whole[end:]
            return None
        line = self._after_delimiter(whole, found)
        if line is None:
            self._held = whole[found:]
            return None
        if line < 0:  # the boundary's text, but the line goes on: data
            self._data(whole, found, found + 2, events)
            return found + 2
        if self._at is _At.BODY:
            events.append(PartEnd())
        self._at = _At.DELIMITER
        return found + len(self._delimiter)

    def _data(self, whole: bytes, at: int, end: int, events: list[Event]) -> None:
        if self._at is _At.BODY:
            if end > at:
                events.append(PartData(memoryview(whole)[at:end]))
            return
        self._skipped += end - at
        if self._skipped > MAX_PREAMBLE:
            raise NotReadable("the multipart body does not begin with its boundary")

    def _after_delimiter(self, whole: bytes, found: int) -> int | None:
        """Where a delimiter line ends; -1 when it is none, None when that cannot be seen yet."""
        at = found + len(self._delimiter)
        if whole[at : at + 2] == b"--":
            return at + 2
        while at < len(whole) and whole[at] in b" \t":
            at += 1
        if at - found > len(self._delimiter) + MAX_BOUNDARY:
            return -1
        rest = whole[at : at + 2]
        if rest == b"\r\n":
            return at + 2
        if len(rest) == 2 or (rest and rest not in {b"\r", b"-"}):
            return -1
        return None

    def _delimiter_line(self, whole: bytes, at: int, events: list[Event]) -> int | None:
        if whole[at : at + 2] == b"--":
            self._at = _At.EPILOGUE
            return at + 2
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise LimitReached(f"more than {MAX_PARTS} parts in one request")
        self._at = _At.HEADERS
        # The line's own end stays: a part without headers is then an empty line like any other.
        return whole.index(b"\r\n", at)

    def _headers(self, whole: bytes, at: int, events: list[Event]) -> int | None:
        end = whole.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(whole)) - at > MAX_PART_HEADER:
            raise LimitReached(f"the headers of a part are longer than {MAX_PART_HEADER} bytes")
        if end < 0:
            self._held = whole[at:]
            return None
        events.append(PartBegin(_header_lines(whole[at:end])))
        self._at = _At.BODY
        return end + 4


def _header_lines(text: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.decode("latin-1").replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def reader(media: MediaType) -> MultipartReader:
    """A reader for a request of this Content-Type. Raises NotReadable without a usable boundary."""
    return MultipartReader(media.parameters.get("boundary", ""))
