"""What the archive offers in every association: SOP classes, their transfer syntaxes by preference, roles."""

from collections.abc import Callable
from typing import Final

from filmroom import __version__
from filmroom.archive.devices import DevicePolicy
from filmroom.base.ids import IMPLEMENTATION_CLASS_UID, is_uid
from filmroom.dicom.sopclass import STORAGE_SOP_CLASSES
from filmroom.dicom.transfersyntax import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, TRANSFER_SYNTAXES, TransferSyntax
from filmroom.net.dimse.models import (
    AVAILABILITY,
    COMMITMENT,
    FIND_MODELS,
    GET_MODELS,
    MODALITY_WORKLIST,
    MOVE_MODELS,
    MPPS,
    MPPS_RETRIEVE,
    PARTS_GET,
    PARTS_MOVE,
    UPS_MODELS,
    VERIFICATION,
)
from filmroom.wire.ul.negotiation import Offer

IMPLEMENTATION_VERSION: Final = f"FILMROOM_{__version__}"[:16]

# For messages without pixels: explicit keeps the VR of private elements.
PLAIN_SYNTAXES: Final = (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE)

# Written for the mail, the web and the network; they are no encoding of a C-STORE data set.
_NOT_FOR_STORE = ("1.2.840.10008.1.2.6.", "1.2.840.10008.1.2.7.")
_STANDARD_CLASSES = "1.2.840.10008."
_STANDARD_STORAGE = "1.2.840.10008.5.1.4.1.1."

# PS3.4 B.3.1.4.1: level 2 (full), signatures kept bit for bit (3), no coercion.
_STORAGE_SUPPORT = b"\x02\x00\x03\x00\x00\x00"

# PS3.4 C.5.1.1: relational queries, combined date-time matching, fuzzy names, time zone adjustment; no enhanced
# multi-frame conversion; empty value and multiple value matching.
_FIND_SUPPORT = b"\x01\x01\x01\x01\x00\x01\x01"
_RETRIEVE_SUPPORT = b"\x01\x00"  # PS3.4 C.5.2.1: relational retrieval
_WORKLIST_SUPPORT = b"\x01\x01\x01\x00"  # PS3.4 K.5.1: two reserved, fuzzy names, no time zone adjustment


def _rank(syntax: TransferSyntax) -> tuple[bool, ...]:
    """Plain before packed, so that a sender with both does not compress; lossless before lossy; big endian late."""
    return (syntax.encapsulated, syntax.lossy, syntax.video, syntax.big_endian, syntax.deflated, syntax.implicit)


STORE_SYNTAXES: Final = tuple(
    syntax.uid for syntax in sorted(TRANSFER_SYNTAXES.values(), key=_rank) if not syntax.uid.startswith(_NOT_FOR_STORE)
)


def offers(policy: DevicePolicy, *, accept_unknown: bool) -> Callable[[str], Offer | None]:
    """What we do for each SOP class, for a peer with ``policy``."""
    allowed = policy.services
    stored = policy.accepted_syntaxes or STORE_SYNTAXES

    def offer(sop_class: str) -> Offer | None:
        if sop_class == VERIFICATION:
            return Offer(transfer_syntaxes=PLAIN_SYNTAXES, permitted="echo" in allowed)
        for service, models, support in _QUERY_RETRIEVE:
            if sop_class in models:
                answer = _yes_to_what_both_have(support)
                return Offer(transfer_syntaxes=PLAIN_SYNTAXES, permitted=service in allowed, extended=answer)
        if sop_class in (MPPS, MPPS_RETRIEVE):
            return Offer(transfer_syntaxes=PLAIN_SYNTAXES, permitted="mpps" in allowed)
        if sop_class == AVAILABILITY:
            return Offer(transfer_syntaxes=PLAIN_SYNTAXES, permitted="ian" in allowed)
        if sop_class == COMMITMENT:
            # Asked by a requestor as SCU, and answered, when we were who asked, by one as SCP (PS3.4 J.3.3.1.3).
            return Offer(transfer_syntaxes=PLAIN_SYNTAXES, requestor_scp=True, permitted="commit" in allowed)
        if is_stored(sop_class, accept_unknown=accept_unknown):
            return Offer(
                transfer_syntaxes=stored,
                requestor_scu="store" in allowed,
                requestor_scp="get" in allowed,
                permitted=bool(allowed & {"store", "get"}),
                extended=lambda info: _STORAGE_SUPPORT,
            )
        return None

    return offer


def service_of(sop_class: str) -> str | None:
    """The service that a SOP class belongs to, of archive.devices.SERVICES."""
    if sop_class == VERIFICATION:
        return "echo"
    for service, models, _ in _QUERY_RETRIEVE:
        if sop_class in models:
            return service
    if sop_class in (MPPS, MPPS_RETRIEVE):
        return "mpps"
    if sop_class == AVAILABILITY:
        return "ian"
    if sop_class == COMMITMENT:
        return "commit"
    return "store" if is_stored(sop_class, accept_unknown=True) else None


def is_stored(sop_class: str, *, accept_unknown: bool) -> bool:
    """Whether objects of the class are taken: the storage classes, and unknown ones that are not known to be others."""
    if sop_class in STORAGE_SOP_CLASSES:
        return True
    if not accept_unknown or not is_uid(sop_class):
        return False
    return sop_class.startswith(_STANDARD_STORAGE) or not sop_class.startswith(_STANDARD_CLASSES)


def implementation() -> tuple[str, str]:
    """Implementation class UID and version name (PS3.7 D.3.3.2)."""
    return IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION


def _yes_to_what_both_have(support: bytes) -> Callable[[bytes], bytes]:
    def answer(asked: bytes) -> bytes:
        return bytes(a & s for a, s in zip(asked, support, strict=False)) or b"\x00"

    return answer


_QUERY_RETRIEVE = (
    ("find", FIND_MODELS, _FIND_SUPPORT),
    ("move", MOVE_MODELS, _RETRIEVE_SUPPORT),
    ("get", GET_MODELS, _RETRIEVE_SUPPORT),
    ("move", PARTS_MOVE, b""),  # annex Y and Z know no relational retrieval
    ("get", PARTS_GET, b""),
    ("worklist", frozenset({MODALITY_WORKLIST}), _WORKLIST_SUPPORT),
    ("ups", UPS_MODELS, _WORKLIST_SUPPORT),
)
