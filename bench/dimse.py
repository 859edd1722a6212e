"""A DICOM client that costs as little as it can, so that the server is what is measured.

Objects are encoded into PDUs before the clock starts, each PDU is one send, TCP_QUICKACK is set before every read.
Nothing of Filmroom is used: an error in its protocol code cannot hide here.
"""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.corpus import EXPLICIT_LE, Object

IMPLICIT_LE = "1.2.840.10008.1.2"
VERIFICATION = "1.2.840.10008.1.1"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
SUCCESS, PENDING = 0x0000, frozenset({0xFF00, 0xFF01})

Fields = Mapping[int, str | int]

_OUR_PDU = 131_072
_RESPONSE = 0x8000


class Refused(Exception):
    """The association was rejected, aborted or lost."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command set (PS3.7 E): tag element number in group 0000 to value."""

    fields: Mapping[int, bytes]
    context_id: int

    def number(self, element: int) -> int:
        value = self.fields.get(element, b"")
        return int.from_bytes(value, "little")

    def text(self, element: int) -> str:
        return self.fields.get(element, b"").decode("ascii", "replace").rstrip("\0 ")

    @property
    def status(self) -> int:
        return self.number(0x0900)


@dataclass(slots=True)
class Tally:
    """What came in by C-GET, or at a move destination."""

    objects: int = 0
    size_bytes: int = 0
    kept: dict[str, bytes] = field(default_factory=dict)
    final: Command | None = None


class Association:
    """One association as requestor, or as acceptor when made by ``accept``. Blocking; one message at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.contexts: dict[str, int] = {}
        self.syntaxes: dict[int, str] = {}
        self.max_pdu = 16_384
        self._buffer = bytearray(4 * _OUR_PDU)
        self._start = self._end = 0
        self._messages = 0

    @classmethod
    def open(
        cls,
        address: tuple[str, int],
        called: str,
        abstract: Sequence[str],
        *,
        calling: str = "BENCH",
        syntaxes: Sequence[str] = (EXPLICIT_LE,),
        store_roles: Sequence[str] = (),
        role_syntaxes: Sequence[str] = (),
        timeout_s: float = 60.0,
    ) -> "Association":
        """Connect and negotiate.

        ``store_roles`` are storage classes for which we accept sub-operations of C-GET, in ``role_syntaxes`` where
        these are not ``syntaxes``.
        """
        sock = socket.create_connection(address, timeout=timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self = cls(sock)
        try:
            offers = [(uid, syntaxes) for uid in abstract]
            offers += [(uid, role_syntaxes or syntaxes) for uid in store_roles]
            self._negotiate(called, calling, offers, store_roles)
        except BaseException:
            sock.close()
            raise
        return self

    def _negotiate(
        self, called: str, calling: str, offers: Sequence[tuple[str, Sequence[str]]], roles: Sequence[str]
    ) -> None:
        proposed = {2 * index + 1: uid for index, (uid, _) in enumerate(offers)}
        items = _item(0x10, b"1.2.840.10008.3.1.1.1")
        for context_id, (uid, syntaxes) in zip(proposed, offers, strict=True):
            named = b"".join(_item(0x40, syntax.encode()) for syntax in syntaxes)
            items += _item(0x20, bytes([context_id, 0, 0, 0]) + _item(0x30, uid.encode()) + named)
        items += _user_information(roles)
        body = struct.pack(">HH16s16s32x", 1, 0, called.encode().ljust(16), calling.encode().ljust(16)) + items
        self.sock.sendall(struct.pack(">BxI", 1, len(body)) + body)
        kind, answer = self.read_pdu()
        if kind != 2:
            detail = f"source {answer[2]} reason {answer[3]}" if kind == 3 else f"PDU type {kind}"
            raise Refused(f"association refused: {detail}")
        self._accepted(bytes(answer), proposed)

    def _accepted(self, answer: bytes, proposed: Mapping[int, str]) -> None:
        for kind, item in _items(answer[68:]):
            if kind == 0x21 and item[2] == 0:
                context_id = item[0]
                self.contexts[proposed[context_id]] = context_id
                self.syntaxes[context_id] = dict(_items(item[4:]))[0x40].decode().rstrip("\0")
            elif kind == 0x50:
                limit = int.from_bytes(dict(_items(item)).get(0x51, b"\0\0\0\0"), "big")
                self.max_pdu = min(limit or _OUR_PDU, _OUR_PDU)

    @classmethod
    def accept(cls, sock: socket.socket) -> "Association":
        """Answer one A-ASSOCIATE-RQ by taking every context with its first transfer syntax."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self = cls(sock)
        kind, pdu = self.read_pdu()
        if kind != 1:
            raise Refused(f"PDU type {kind} instead of an association request")
        request = bytes(pdu)
        items = _item(0x10, b"1.2.840.10008.3.1.1.1")
        for item_kind, item in _items(request[68:]):
            if item_kind == 0x20:
                syntax = dict(reversed(list(_items(item[4:]))))[0x40]
                items += _item(0x21, bytes([item[0], 0, 0, 0]) + _item(0x40, syntax))
        body = request[:68] + items + _user_information(())
        sock.sendall(struct.pack(">BxI", 2, len(body)) + body)
        return self

    def __enter__(self) -> "Association":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def echo(self) -> int:
        """C-ECHO; the status."""
        context = self.contexts[VERIFICATION]
        fields: Fields = {0x0002: VERIFICATION, 0x0100: 0x30, 0x0110: 1, 0x0800: 0x0101}
        self.sock.sendall(command_pdu(context, fields))
        return self.read_command().status

    def encode_store(self, item: Object) -> list[bytes]:
        """The PDUs of one C-STORE request, cut to the peer's maximum length."""
        self._messages = self._messages % 65_000 + 1
        context = self.contexts[item.sop_class]
        uid, kind = item.sop_uid, item.sop_class
        fields: Fields = {0x0002: kind, 0x0100: 1, 0x0110: self._messages, 0x0700: 0, 0x0800: 1, 0x1000: uid}
        return [command_pdu(context, fields), *data_pdus(context, (item.header, item.pixels), self.max_pdu)]

    def store_encoded(self, pdus: Sequence[bytes]) -> int:
        """Send a C-STORE made by ``encode_store`` and wait; the status."""
        send = self.sock.sendall
        for pdu in pdus:
            send(pdu)
        return self.read_command().status

    def store(self, item: Object) -> int:
        return self.store_encoded(self.encode_store(item))

    def find(self, identifier: bytes, model: str = STUDY_FIND) -> list[bytes]:
        """C-FIND; the matching identifiers as encoded. Raises Refused unless it ends in success."""
        self._request(model, 0x20, identifier)
        found = []
        while (answer := self.read_command()).status in PENDING:
            found.append(self.read_data())
        if answer.status != SUCCESS:
            raise Refused(f"C-FIND status {answer.status:04X} {answer.text(0x0902)}")
        return found

    def get(self, identifier: bytes, *, keep: bool = False, model: str = STUDY_GET) -> Tally:
        """C-GET, answering every sub-operation with success."""
        self._request(model, 0x10, identifier)
        return self.serve_stores(keep=keep)

    def move(self, identifier: bytes, destination: str, model: str = STUDY_MOVE) -> Command:
        """C-MOVE; the final response."""
        self._request(model, 0x21, identifier, {0x0600: destination})
        while (answer := self.read_command()).status in PENDING:
            pass
        return answer

    def serve_stores(self, *, keep: bool = False, on_release: Callable[[], None] | None = None) -> Tally:
        """Accept C-STORE requests until a final response (C-GET) or the release of the association."""
        tally = Tally()
        while True:
            try:
                command = self.read_command()
            except Released:
                if on_release is not None:
                    on_release()
                return tally
            if command.number(0x0100) & _RESPONSE:
                if command.number(0x0800) != 0x0101:
                    self.read_data()
                if command.status not in PENDING:
                    tally.final = command
                    return tally
                continue
            tally.size_bytes += self._take_object(command, tally if keep else None)
            tally.objects += 1

    def _take_object(self, command: Command, keep: Tally | None) -> int:
        if keep is None:
            size = self.skip_data()
        else:
            data = self.read_data()
            size = len(data)
            keep.kept[command.text(0x1000)] = data
        fields: Fields = {
            0x0002: command.text(0x0002),
            0x0100: 0x8001,
            0x0120: command.number(0x0110),
            0x0800: 0x0101,
            0x0900: 0,
            0x1000: command.text(0x1000),
        }
        self.sock.sendall(command_pdu(command.context_id, fields))
        return size

    def _request(self, model: str, kind: int, identifier: bytes, extra: Fields | None = None) -> None:
        self._messages = self._messages % 65_000 + 1
        context = self.contexts[model]
        fields: dict[int, str | int] = {0x0002: model, 0x0100: kind, 0x0110: self._messages, 0x0700: 0, 0x0800: 1}
        fields |= extra or {}
        self.sock.sendall(command_pdu(context, fields) + b"".join(data_pdus(context, (identifier,), self.max_pdu)))

    def release(self) -> None:
        self.sock.sendall(b"\x05\0\0\0\0\x04\0\0\0\0")
        with contextlib.suppress(Refused, OSError, Released):
            self.read_pdu()
        self.sock.close()

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(b"\x07\0\0\0\0\x04\0\0\0\0")
        self.sock.close()

    def read_command(self) -> Command:
        """The next command set; data PDVs must have been read before."""
        data, context_id = b"", 0
        last = False
        while not last:
            for context, control, value in self._pdvs():
                if not control & 1:
                    raise Refused("a data set where a command was due")
                context_id = context
                data += bytes(value)
                last = bool(control & 2)
        return Command(_parse_command(data), context_id)

    def read_data(self) -> bytes:
        parts: list[bytes] = []
        last = False
        while not last:
            for _, control, value in self._pdvs():
                parts.append(bytes(value))
                last = bool(control & 2)
        return b"".join(parts)

    def skip_data(self) -> int:
        """Read a data set and forget it; its length."""
        size = 0
        last = False
        while not last:
            for _, control, value in self._pdvs():
                size += len(value)
                last = bool(control & 2)
        return size

    def _pdvs(self) -> Iterator[tuple[int, int, memoryview]]:
        kind, body = self.read_pdu()
        if kind == 5:
            self.sock.sendall(b"\x06\0\0\0\0\x04\0\0\0\0")
            raise Released
        if kind != 4:
            raise Refused(f"PDU type {kind} in the middle of a conversation")
        at = 0
        while at < len(body):
            length = int.from_bytes(body[at : at + 4], "big")
            yield body[at + 4], body[at + 5], body[at + 6 : at + 4 + length]
            at += 4 + length

    def read_pdu(self) -> tuple[int, memoryview]:
        """Type and body of the next PDU; the body is valid until the next read."""
        self._fill(6)
        kind = self._buffer[self._start]
        length = int.from_bytes(self._buffer[self._start + 2 : self._start + 6], "big")
        self._fill(6 + length)
        body = memoryview(self._buffer)[self._start + 6 : self._start + 6 + length]
        self._start += 6 + length
        return kind, body

    def _fill(self, wanted: int) -> None:
        if self._end - self._start >= wanted:
            return
        rest = self._end - self._start
        if self._start + max(wanted, 65_536) > len(self._buffer):
            kept = bytes(memoryview(self._buffer)[self._start : self._end])
            if wanted > len(self._buffer):
                self._buffer = bytearray(2 * wanted)
            self._buffer[:rest] = kept
            self._start, self._end = 0, rest
        view = memoryview(self._buffer)
        while self._end - self._start < wanted:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            got = self.sock.recv_into(view[self._end :])
            if not got:
                raise Refused("the peer closed the connection")
            self._end += got


class Released(Exception):
    """The peer asked for release, and has been answered."""


def command_pdu(context_id: int, fields: Fields) -> bytes:
    """A whole command set as one P-DATA-TF PDU (PS3.7 6.3: Implicit VR Little Endian)."""
    body = b"".join(_command_element(number, value) for number, value in sorted(fields.items()))
    body = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    return struct.pack(">BxIIBB", 4, len(body) + 6, len(body) + 2, context_id, 3) + body


def data_pdus(context_id: int, parts: Sequence[bytes], max_pdu: int) -> list[bytes]:
    """A data set as P-DATA-TF PDUs of at most ``max_pdu`` bytes."""
    total = b"".join(parts)
    step = max_pdu - 6
    pdus = []
    for at in range(0, max(len(total), 1), step):
        piece = total[at : at + step]
        control = 2 if at + step >= len(total) else 0
        pdus.append(struct.pack(">BxIIBB", 4, len(piece) + 6, len(piece) + 2, context_id, control) + piece)
    return pdus


def _command_element(number: int, value: str | int) -> bytes:
    if isinstance(value, int):
        return struct.pack("<HHIH", 0, number, 2, value)
    pad = "\0" if number in (0x0002, 0x1000) else " "
    data = (value + pad * (len(value) % 2)).encode()
    return struct.pack("<HHI", 0, number, len(data)) + data


def _parse_command(data: bytes) -> dict[int, bytes]:
    fields, at = {}, 0
    while at + 8 <= len(data):
        _, number, length = struct.unpack_from("<HHI", data, at)
        fields[number] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return fields


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at], data[at + 4 : at + 4 + length]
        at += 4 + length


def _user_information(store_roles: Sequence[str]) -> bytes:
    body = _item(0x51, struct.pack(">I", _OUR_PDU)) + _item(0x52, b"2.25.1") + _item(0x55, b"BENCH")
    for uid in store_roles:
        body += _item(0x54, struct.pack(">H", len(uid)) + uid.encode() + b"\1\1")
    return _item(0x50, body)
