"""The DICOM file format: preamble, prefix and group 2 (PS3.10 section 7.1), read with tolerance, written strictly."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from filmroom.base.errors import NotReadable
from filmroom.base.ids import IMPLEMENTATION_CLASS_UID
from filmroom.dicom.dictionary import LONG_VRS, SHORT_VRS, show
from filmroom.dicom.sopclass import MEDIA_STORAGE_DIRECTORY
from filmroom.dicom.transfersyntax import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

PREAMBLE_BYTES: Final = 128
PREFIX: Final = b"DICM"
IMPLEMENTATION_VERSION_NAME: Final = "FILMROOM_1"

# Real group 2 headers stay under 1 KiB; private information (0002,0102) is what could make one larger.
MAX_META_BYTES: Final = 65_536
# How much of a data set is looked at to tell its encoding when nothing says it: one element header with its value.
_GUESS_BYTES = 16
_LAST_META_GROUP = 0x0002

_LE = Struct("<HH2sH").unpack_from
_U32_LE = Struct("<I").unpack_from
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_VRS = SHORT_VRS | LONG_VRS


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMeta:
    """What stands before the data set of a file. UIDs are '' where the file does not say them.

    ``dataset_offset`` is in bytes from the start of the file. ``transfer_syntax`` is what group 2 says, or what the
    first element of the data set looks like when it says nothing (``guessed``).
    """

    transfer_syntax: str
    sop_class: str
    sop_uid: str
    dataset_offset: int
    had_preamble: bool
    had_meta: bool
    guessed: bool = False
    preamble: bytes = b""
    source_ae: str = ""

    @property
    def is_dicomdir(self) -> bool:
        """Whether the file is a media directory: it lists objects and is none itself (PS3.3 annex F)."""
        return self.sop_class == MEDIA_STORAGE_DIRECTORY


def read_meta(prefix: bytes, *, complete: bool = False) -> FileMeta | None:
    """Read the file header at the start of ``prefix``; None when more bytes are needed to do so.

    ``complete`` says that the file ends where ``prefix`` ends: then the answer is never None. Files without preamble,
    without prefix or without group 2 are accepted, as long as the data set's start can be recognised.
    Raises NotReadable when this is no DICOM file.
    """
    start = _start_of_meta(prefix, complete)
    if start is None:
        return None
    parsed = _read_group_2(prefix, start, complete)
    if parsed is None:
        return None
    elements, offset = parsed
    declared = _text(elements.get(0x00020010, b""))
    if not declared and len(prefix) - offset < _GUESS_BYTES and not complete:
        return None
    # A file with the prefix is DICOM whatever its data set looks like: the default transfer syntax (PS3.5 10.1).
    fallback = IMPLICIT_LE if start else None
    syntax = declared or guess_transfer_syntax(prefix[offset : offset + _GUESS_BYTES]) or fallback
    if syntax is None:
        raise NotReadable("neither a DICOM prefix nor the start of a data set was found")
    had_preamble = start == PREAMBLE_BYTES + len(PREFIX)
    return FileMeta(
        transfer_syntax=syntax,
        sop_class=_text(elements.get(0x00020002, b"")),
        sop_uid=_text(elements.get(0x00020003, b"")),
        dataset_offset=offset,
        had_preamble=had_preamble,
        had_meta=bool(elements),
        guessed=not declared,
        preamble=prefix[:PREAMBLE_BYTES] if had_preamble else b"",
        source_ae=_text(elements.get(0x00020016, b"")),
    )


def _start_of_meta(prefix: bytes, complete: bool) -> int | None:
    """Where group 2 (or the data set, when there is none) begins; None: cannot be told yet."""
    if prefix[:4] == PREFIX:
        return 4
    if len(prefix) >= PREAMBLE_BYTES + 4:
        return PREAMBLE_BYTES + 4 if prefix[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == PREFIX else 0
    return 0 if complete else None


def _read_group_2(prefix: bytes, start: int, complete: bool) -> tuple[dict[int, bytes], int] | None:
    """The group 2 elements and where they end. Their own tags decide, never the group length (0002,0000)."""
    elements: dict[int, bytes] = {}
    position, end = start, len(prefix)
    while True:
        if position + 8 > end:
            return (elements, position) if complete else None
        group, element, vr, length = _LE(prefix, position)
        if group != _LAST_META_GROUP:
            return elements, position
        value = position + 8
        if vr in LONG_VRS:
            if value + 4 > end:
                return (elements, position) if complete else None
            length, value = _U32_LE(prefix, value)[0], value + 4
        elif vr not in SHORT_VRS:
            length = _U32_LE(prefix, position + 4)[0]  # written as implicit VR, against PS3.10 7.1
        if value + length - start > MAX_META_BYTES:
            raise NotReadable(f"element {show(group << 16 | element)} of the file header claims {length} bytes")
        if value + length > end:
            if complete:
                raise NotReadable("the file ends inside its header (group 2)")
            return None
        elements[group << 16 | element] = prefix[value : value + length]
        position = value + length


def guess_transfer_syntax(start: bytes) -> str | None:
    """What the first bytes of a bare data set look like; None when like nothing known.

    Deflated data cannot be told from noise and is not guessed.
    """
    if len(start) < 8:
        return None
    group, _, vr, _ = _LE(start, 0)
    swapped = (group & 0xFF) << 8 | group >> 8
    if not 0 < min(group, swapped) <= 0x00FF:  # no object begins later than in its first groups
        return None
    if vr in _VRS:
        return EXPLICIT_LE if group < swapped else EXPLICIT_BE
    # An implicit first element: an even group and a length that a first element can have.
    if group < swapped and group % 2 == 0 and _U32_LE(start, 4)[0] <= 0xFFFF:
        return IMPLICIT_LE
    return None


def plain_preamble(preamble: bytes) -> bytes:
    """The preamble to hand out: kept when TIFF, else zeroed: it could be the start of a program (PS3.10 7.5)."""
    return preamble if len(preamble) == PREAMBLE_BYTES and preamble[:4] in _TIFF else bytes(PREAMBLE_BYTES)


def write_meta(
    sop_class: str, sop_uid: str, transfer_syntax: str, source_ae: str = "", *, preamble: bytes = b""
) -> bytes:
    """Preamble, prefix and group 2 of a file whose data set follows (PS3.10 table 7.1-1)."""
    group = b"".join(
        (
            b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01",
            _uid_element(0x0002, sop_class),
            _uid_element(0x0003, sop_uid),
            _uid_element(0x0010, transfer_syntax),
            _uid_element(0x0012, IMPLEMENTATION_CLASS_UID),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME, b" "),
            _element(0x0016, b"AE", source_ae, b" ") if source_ae else b"",
        )
    )
    length = Struct("<HH2sHI").pack(2, 0, b"UL", 4, len(group))
    return plain_preamble(preamble) + PREFIX + length + group


def _uid_element(element: int, uid: str) -> bytes:
    return _element(element, b"UI", uid, b"\0")


def _element(element: int, vr: bytes, text: str, pad: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    value += pad * (len(value) % 2)
    return Struct("<HH2sH").pack(2, element, vr, len(value)) + value


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")
