"""Transfer syntaxes: how data sets are written and how pixels are packed (PS3.5 chapter 10, PS3.6 table A-1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

IMPLICIT_LE: Final = "1.2.840.10008.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
DEFLATED_LE: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE: Final = "1.2.840.10008.1.2.2"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One transfer syntax. ``media_type`` is what PS3.18 8.7.3 calls its frames, '' where it names none."""

    uid: str
    name: str
    implicit: bool = False
    big_endian: bool = False
    deflated: bool = False
    encapsulated: bool = False
    lossy: bool = False
    video: bool = False
    retired: bool = False
    known: bool = True
    media_type: str = ""

    @property
    def native(self) -> bool:
        """Whether pixel data stand in the data set as they are, uncompressed."""
        return not self.encapsulated


def _native(uid: str, name: str, **flags: bool) -> TransferSyntax:
    return TransferSyntax(uid, name, media_type="application/octet-stream", **flags)


def _packed(suffix: str, name: str, media_type: str, *, lossy: bool = False, retired: bool = False) -> TransferSyntax:
    return TransferSyntax(
        "1.2.840.10008.1.2." + suffix, name, encapsulated=True, lossy=lossy, retired=retired, media_type=media_type
    )


def _video(suffix: str, name: str, media_type: str) -> TransferSyntax:
    uid = "1.2.840.10008.1.2.4." + suffix
    return TransferSyntax(uid, name, encapsulated=True, lossy=True, video=True, media_type=media_type)


_JPEG, _JLS, _JP2, _JPX, _JPHC, _JXL = (f"image/{t}" for t in ("jpeg", "jls", "jp2", "jpx", "jphc", "jxl"))
_MPEG2, _MP4 = "video/mpeg", "video/mp4"

_ALL = (
    _native(IMPLICIT_LE, "Implicit VR Little Endian", implicit=True),
    _native(EXPLICIT_LE, "Explicit VR Little Endian"),
    _packed("1.98", "Encapsulated Uncompressed Explicit VR Little Endian", "application/octet-stream"),
    _native(DEFLATED_LE, "Deflated Explicit VR Little Endian", deflated=True),
    _native(EXPLICIT_BE, "Explicit VR Big Endian", big_endian=True, retired=True),
    _packed("4.50", "JPEG Baseline (Process 1)", _JPEG, lossy=True),
    _packed("4.51", "JPEG Extended (Process 2 and 4)", _JPEG, lossy=True),
    _packed("4.52", "JPEG Extended (Process 3 and 5)", _JPEG, lossy=True, retired=True),
    _packed("4.53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", _JPEG, lossy=True, retired=True),
    _packed("4.54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)", _JPEG, lossy=True, retired=True),
    _packed("4.55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", _JPEG, lossy=True, retired=True),
    _packed("4.56", "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)", _JPEG, lossy=True, retired=True),
    _packed("4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", _JPEG),
    _packed("4.58", "JPEG Lossless, Non-Hierarchical (Process 15)", _JPEG, retired=True),
    _packed("4.59", "JPEG Extended, Hierarchical (Process 16 and 18)", _JPEG, lossy=True, retired=True),
    _packed("4.60", "JPEG Extended, Hierarchical (Process 17 and 19)", _JPEG, lossy=True, retired=True),
    _packed("4.61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)", _JPEG, lossy=True, retired=True),
    _packed("4.62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)", _JPEG, lossy=True, retired=True),
    _packed("4.63", "JPEG Full Progression, Hierarchical (Process 24 and 26)", _JPEG, lossy=True, retired=True),
    _packed("4.64", "JPEG Full Progression, Hierarchical (Process 25 and 27)", _JPEG, lossy=True, retired=True),
    _packed("4.65", "JPEG Lossless, Hierarchical (Process 28)", _JPEG, retired=True),
    _packed("4.66", "JPEG Lossless, Hierarchical (Process 29)", _JPEG, retired=True),
    _packed("4.70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14, Selection Value 1)", _JPEG),
    _packed("4.80", "JPEG-LS Lossless", _JLS),
    _packed("4.81", "JPEG-LS Near-Lossless", _JLS, lossy=True),
    _packed("4.90", "JPEG 2000 (Lossless Only)", _JP2),
    _packed("4.91", "JPEG 2000", _JP2, lossy=True),
    _packed("4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", _JPX),
    _packed("4.93", "JPEG 2000 Part 2 Multi-component", _JPX, lossy=True),
    _native("1.2.840.10008.1.2.4.94", "JPIP Referenced"),
    _native("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", deflated=True),
    _video("100", "MPEG2 Main Profile / Main Level", _MPEG2),
    _video("100.1", "Fragmentable MPEG2 Main Profile / Main Level", _MPEG2),
    _video("101", "MPEG2 Main Profile / High Level", _MPEG2),
    _video("101.1", "Fragmentable MPEG2 Main Profile / High Level", _MPEG2),
    _video("102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", _MP4),
    _video("102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", _MP4),
    _video("103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", _MP4),
    _video("103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", _MP4),
    _video("104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", _MP4),
    _video("104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", _MP4),
    _video("105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", _MP4),
    _video("105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", _MP4),
    _video("106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", _MP4),
    _video("106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", _MP4),
    _video("107", "HEVC/H.265 Main Profile / Level 5.1", _MP4),
    _video("108", "HEVC/H.265 Main 10 Profile / Level 5.1", _MP4),
    _packed("4.110", "JPEG XL Lossless", _JXL),
    _packed("4.111", "JPEG XL JPEG Recompression", _JXL, lossy=True),
    _packed("4.112", "JPEG XL", _JXL, lossy=True),
    _packed("4.201", "High-Throughput JPEG 2000 (Lossless Only)", _JPHC),
    _packed("4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", _JPHC),
    _packed("4.203", "High-Throughput JPEG 2000", _JPHC, lossy=True),
    _native("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced"),
    _native("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate", deflated=True),
    _packed("5", "RLE Lossless", "image/dicom-rle"),
    _native("1.2.840.10008.1.2.6.1", "RFC 2557 MIME encapsulation", retired=True),
    _native("1.2.840.10008.1.2.6.2", "XML Encoding", retired=True),
    _native("1.2.840.10008.1.2.7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video"),
    _native("1.2.840.10008.1.2.7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video"),
    _native("1.2.840.10008.1.2.7.3", "SMPTE ST 2110-30 PCM Digital Audio"),
    _packed("8.1", "Deflated Image Frame Compression", "application/x-deflate"),
    _native("1.2.840.10008.1.20", "Papyrus 3 Implicit VR Little Endian", implicit=True, retired=True),
    # GE private: the elements are little endian, only the pixels are big endian.
    _native("1.2.840.113619.5.2", "GE Private Implicit VR Little Endian with Big Endian Pixel Data", implicit=True),
)

TRANSFER_SYNTAXES: Mapping[str, TransferSyntax] = MappingProxyType({syntax.uid: syntax for syntax in _ALL})


def lookup(uid: str) -> TransferSyntax:
    """The transfer syntax of ``uid``; an unknown one is read as explicit VR little endian, encapsulated (PS3.5 A.4)."""
    found = TRANSFER_SYNTAXES.get(uid)
    return found if found is not None else TransferSyntax(uid, "unknown", encapsulated=True, known=False)
