"""Cut a byte stream into PDUs (PS3.8 9.3.1). P-DATA-TF is handed on in pieces as they come, without a copy."""

import struct
from typing import NamedTuple

from filmroom.wire.ul.items import AbortReason, PduFault
from filmroom.wire.ul.pdu import HEADER, Pdu, PduType, decode

# 128 contexts of 40 transfer syntaxes each take about 150 kB; this bounds what a stranger can make us hold.
MAX_ASSOCIATE_BYTES = 262_144

_PDV = struct.Struct(">IBB")
_PDU_AND_PDV = struct.Struct(">BxIIBB")
_SHORT = 4  # release, reject and abort have a fixed length


class Fragment(NamedTuple):
    """A piece of a presentation data value (PS3.8 9.3.5.1, annex E.2).

    ``data`` refers to the buffer given to ``receive`` and is valid only until the next call. ``last`` is true on the
    piece that ends the last fragment of a command set or data set.
    """

    context_id: int
    is_command: bool
    last: bool
    data: memoryview


class PduReader:
    """Cut a byte stream into PDUs; holds at most one short or association PDU, and nothing of P-DATA-TF.

    ``max_length`` is the largest P-DATA-TF variable field that we announced (PS3.8 D.1), in bytes. Lengths are judged
    before anything is kept. After a PduFault the stream cannot be read on.
    """

    def __init__(self, max_length: int) -> None:
        self.begun = 0  # PDUs so far, the one in progress included
        self._max_length = max_length
        self._head = bytearray()  # an incomplete PDU or PDV header
        self._kind = 0  # type of the PDU whose body is being gathered; 0: none
        self._body = bytearray()
        self._body_left = 0
        self._pdu_left = 0  # of a P-DATA-TF: bytes after those already taken
        self._pdv_left = 0
        self._context_id = 0
        self._flags = 0

    @property
    def mid_pdu(self) -> bool:
        """Whether a PDU has begun and not ended."""
        return bool(self._head or self._kind or self._pdu_left or self._pdv_left)

    def receive(self, data: bytes | bytearray | memoryview) -> list[Pdu | Fragment]:
        """What ``data`` completes, in order. Raises PduFault; what came before it in ``data`` is then lost."""
        out: list[Pdu | Fragment] = []
        self.receive_into(out, data)
        return out

    def receive_into(self, out: list[Pdu | Fragment], data: bytes | bytearray | memoryview) -> None:
        """As ``receive``, but what was read before a PduFault stands in ``out``."""
        view = memoryview(data)
        position, end = 0, len(view)
        while position < end:
            if self._pdv_left:
                position = self._take_value(out, view, position, end)
            elif self._pdu_left:
                position = self._take_pdv_header(out, view, position, end)
            elif self._kind:
                position = self._take_body(out, view, position, end)
            else:
                position = self._take_pdu_header(out, view, position, end)

    def _take_pdu_header(self, out: list[Pdu | Fragment], view: memoryview, position: int, end: int) -> int:
        if not self._head and end - position >= 12 and view[position] == PduType.P_DATA_TF:
            _, length, item_length, context_id, flags = _PDU_AND_PDV.unpack_from(view, position)
            self._begin_pdata(length)
            self._begin_pdv(out, item_length, context_id, flags)
            return position + 12
        taken = self._gather_head(view, position, end, HEADER.size)
        if len(self._head) == HEADER.size:
            kind, length = HEADER.unpack(self._head)
            self._head.clear()
            if kind == PduType.P_DATA_TF:
                self._begin_pdata(length)
            else:
                self._begin_body(kind, length)
        return taken

    def _take_pdv_header(self, out: list[Pdu | Fragment], view: memoryview, position: int, end: int) -> int:
        taken = self._gather_head(view, position, end, _PDV.size)
        if len(self._head) == _PDV.size:
            item_length, context_id, flags = _PDV.unpack(self._head)
            self._head.clear()
            self._begin_pdv(out, item_length, context_id, flags)
        return taken

    def _take_value(self, out: list[Pdu | Fragment], view: memoryview, position: int, end: int) -> int:
        size = min(end - position, self._pdv_left)
        self._pdv_left -= size
        last = not self._pdv_left and self._flags & 2 != 0
        out.append(Fragment(self._context_id, self._flags & 1 != 0, last, view[position : position + size]))
        return position + size

    def _take_body(self, out: list[Pdu | Fragment], view: memoryview, position: int, end: int) -> int:
        size = min(end - position, self._body_left)
        self._body += view[position : position + size]
        self._body_left -= size
        if not self._body_left:
            kind, body = self._kind, bytes(self._body)
            self._kind = 0
            self._body.clear()
            out.append(decode(kind, body))
        return position + size

    def _gather_head(self, view: memoryview, position: int, end: int, size: int) -> int:
        taken = min(end, position + size - len(self._head))
        self._head += view[position:taken]
        return taken

    def _begin_body(self, kind: int, length: int) -> None:
        if kind in (PduType.ASSOCIATE_RQ, PduType.ASSOCIATE_AC):
            limit = MAX_ASSOCIATE_BYTES
        elif PduType.ASSOCIATE_RJ <= kind <= PduType.ABORT:
            limit = _SHORT
        else:
            raise PduFault(f"PDU type {kind:02X}H is unknown", AbortReason.UNRECOGNIZED_PDU)
        if not _SHORT <= length <= limit:
            raise PduFault(f"a PDU of type {kind:02X}H announces {length} bytes")
        self._kind, self._body_left = kind, length
        self.begun += 1

    def _begin_pdata(self, length: int) -> None:
        if not _PDV.size <= length <= self._max_length:
            raise PduFault(f"a P-DATA-TF announces {length} bytes; {self._max_length} were agreed")
        self._pdu_left = length
        self.begun += 1

    def _begin_pdv(self, out: list[Pdu | Fragment], item_length: int, context_id: int, flags: int) -> None:
        """PS3.8 table 9-23: the item's length counts the context id and the control header."""
        if not 2 <= item_length <= self._pdu_left - 4:
            raise PduFault(f"a presentation data value of {item_length} bytes in {self._pdu_left} bytes of PDU")
        self._pdu_left -= item_length + 4
        if 0 < self._pdu_left < _PDV.size:
            raise PduFault(f"{self._pdu_left} bytes at the end of a P-DATA-TF are no presentation data value")
        self._pdv_left = item_length - 2
        self._context_id, self._flags = context_id, flags
        if not self._pdv_left:
            out.append(Fragment(context_id, flags & 1 != 0, flags & 2 != 0, memoryview(b"")))
