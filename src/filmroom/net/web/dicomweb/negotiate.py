"""Which representation a retrieve answers with (PS3.18 8.7)."""

from collections.abc import Mapping, Sequence

from starlette.requests import Request

from filmroom.archive.retrieve import ANY
from filmroom.base.errors import Unsupported
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup
from filmroom.wire.http.mediatypes import Choice, choices

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
OCTETS = "application/octet-stream"
ZIP = "application/zip"

_4 = "1.2.840.10008.1.2.4."
# PS3.18 tables 8.7.3-2 to 8.7.3-5: transfer syntaxes whose frames have a media type of their own; the first of each
# media type is its default.
FRAME_TYPES: Mapping[str, tuple[str, ...]] = {
    "image/jpeg": (_4 + "70", _4 + "50", _4 + "51", _4 + "57"),
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
    "image/jls": (_4 + "80", _4 + "81"),
    "image/jp2": (_4 + "90", _4 + "91"),
    "image/jpx": (_4 + "92", _4 + "93"),
    "image/jphc": (_4 + "201", _4 + "202", _4 + "203"),
    "image/jxl": (_4 + "110", _4 + "111", _4 + "112"),
    "video/mpeg": (_4 + "100", _4 + "100.1", _4 + "101", _4 + "101.1"),
    "video/mp4": tuple(_4 + tail for n in range(102, 107) for tail in (str(n), f"{n}.1")),
    "video/h265": (_4 + "107", _4 + "108"),
}
# Names that were in use before the standard settled on the above.
OLD_NAMES: Mapping[str, str] = {
    "image/x-jls": "image/jls",
    "image/x-dicom-rle": "image/dicom-rle",
    "image/j2c": "image/jp2",
    "image/dicom+rle": "image/dicom-rle",
    "image/dicom+jpeg": "image/jpeg",
    "image/dicom+jpeg-ls": "image/jls",
    "image/dicom+jp2": "image/jp2",
    "video/mpeg2": "video/mpeg",
}
_MEDIA_OF = {uid: media for media, uids in FRAME_TYPES.items() for uid in uids}


def wanted(request: Request) -> list[Choice]:
    """What the client takes, best first. Raises Unsupported when it takes nothing."""
    found = choices(request.headers.get("accept"), request.query_params.getlist("accept"))
    if not found:
        raise Unsupported("the Accept header refuses everything")
    return found


def choose(request: Request, *offers: str) -> str:
    """The offer that suits the client best; the first when it does not mind. Raises Unsupported."""
    for choice in wanted(request):
        for offer in offers:
            if choice.covers(offer):
                return offer
    raise Unsupported(f"this can be given as {', '.join(offers)}")


def file_syntaxes(found: Sequence[Choice], stored: str) -> tuple[str, ...]:
    """Transfer syntaxes in which a stored object may go out as application/dicom.

    Nothing said means Explicit VR Little Endian, unless what is here is lossy: then as it is (PS3.18 8.7.3.5.2).
    """
    syntaxes = [choice.transfer_syntax for choice in found]
    if "*" in syntaxes or ("" in syntaxes and (lookup(stored).lossy or lookup(stored).video)):
        return (ANY,)
    return tuple(syntax or EXPLICIT_LE for syntax in syntaxes)


def frame_syntaxes(choice: Choice, stored: str) -> tuple[str, ...]:
    """Transfer syntaxes in which frames of a stored object satisfy one choice; empty when none does."""
    media = OLD_NAMES.get(choice.media, choice.media)
    syntax = choice.transfer_syntax
    if media in {"*/*", OCTETS}:
        if syntax == "*" or (not syntax and lookup(stored).video):
            return (ANY,)
        return (syntax or EXPLICIT_LE,)
    kinds = [uid for name, uids in FRAME_TYPES.items() if Choice(media).covers(name) for uid in uids]
    if syntax not in {"", "*"}:
        return (syntax,) if syntax in kinds else ()
    if stored in kinds:
        return (stored,)
    # Made on demand only where that loses nothing: the default of the media type.
    default = FRAME_TYPES.get(media, ())[:1]
    return tuple(uid for uid in default if not lookup(uid).video and uid != _4 + "92")


def as_stored_first(found: Sequence[Choice], stored: str) -> list[Choice]:
    """Choices for frames: of those that the client likes equally, the one that costs nothing and loses nothing."""

    def converts(choice: Choice) -> bool:
        return not {ANY, stored} & set(frame_syntaxes(choice, stored))

    return sorted(found, key=lambda choice: (-choice.q, converts(choice)))


def frame_media(choice: Choice, transfer_syntax: str) -> str:
    """The media type frames are labelled with: what was asked for, in the name it was asked by."""
    if choice.media in {"*/*", OCTETS}:
        return OCTETS
    if choice.media.endswith("/*"):
        return _MEDIA_OF.get(transfer_syntax, OCTETS)
    return choice.media
