"""Cut command sets and data sets into P-DATA-TF PDUs of at most the peer's size (PS3.8 9.3.5, PS3.7 annex F)."""

import struct

_PDU_AND_PDV = struct.Struct(">BxIIBB")
_P_DATA_TF = 4
_PDV_OVERHEAD = 6  # item length, context id and message control header

# What we send to a peer that sets no limit; larger PDUs gain nothing and some peers hold a whole one in memory.
MAX_SENT_LENGTH = 262_144

Parts = list[bytes | memoryview]


def piece_size(peer_max_length: int) -> int:
    """Bytes of data that fit one PDU, even, for a peer that announced ``peer_max_length`` (0: no limit)."""
    length = min(peer_max_length or MAX_SENT_LENGTH, MAX_SENT_LENGTH)
    return (length - _PDV_OVERHEAD) & ~1


def command_parts(context_id: int, command: bytes, size: int) -> Parts:
    """The PDUs of a command set, as parts to be joined; ``size`` from ``piece_size``."""
    return _parts(context_id, command, size, flag=1, last=True)


def data_parts(context_id: int, chunk: bytes | memoryview, size: int, *, last: bool) -> Parts:
    """The PDUs of one chunk of a data set; an empty chunk makes a PDU only when it is the last."""
    return _parts(context_id, chunk, size, flag=0, last=last)


def _parts(context_id: int, data: bytes | memoryview, size: int, *, flag: int, last: bool) -> Parts:
    view = memoryview(data)
    total = len(view)
    parts: Parts = []
    if not total and not last:
        return parts
    for start in range(0, max(total, 1), size):
        length = min(size, total - start)
        control = flag | 2 if last and start + length == total else flag
        parts.append(_PDU_AND_PDV.pack(_P_DATA_TF, length + _PDV_OVERHEAD, length + 2, context_id, control))
        parts.append(view[start : start + length])
    return parts
