"""An HTTP/1.1 client on a plain socket: one keep-alive connection, bodies read at memory speed."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class BadAnswer(Exception):
    """The server closed early, or answered with something that is not HTTP/1.1."""


class ClosedEarly(BadAnswer):
    """The connection ended before any answer began."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower-case names) and body; ``body`` is empty when only its size was wanted."""

    status: int
    headers: Mapping[str, str]
    size_bytes: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body or b"null")


class Connection:
    """Requests one after another over one connection, opened again when the server has closed it."""

    def __init__(
        self, address: tuple[str, int], headers: Mapping[str, str] | None = None, timeout_s: float = 120.0
    ) -> None:
        self._address = address
        self._headers = dict(headers or {})
        self._timeout_s = timeout_s
        self._buffer = bytearray(1 << 20)
        self._rest = b""
        self._sock: socket.socket | None = None

    def get(self, path: str, *, accept: str = "*/*", keep: bool = True, **headers: str) -> Answer:
        return self.request("GET", path, headers={"Accept": accept, **headers}, keep=keep)

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", keep: bool = True
    ) -> Answer:
        """One exchange. With ``keep`` false the body is read and thrown away."""
        host = f"{self._address[0]}:{self._address[1]}"
        lines = {"Host": host, **self._headers, **(headers or {})}
        if body or method in ("POST", "PUT"):
            lines["Content-Length"] = str(len(body))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        used = self._sock is not None
        try:
            self._send(head.encode() + b"\r\n", body)
            return self._answer(keep)
        except (ClosedEarly, ConnectionResetError, BrokenPipeError):
            if not used:
                raise
        self.close()  # a kept connection that the server had dropped meanwhile: once more on a new one
        self._send(head.encode() + b"\r\n", body)
        return self._answer(keep)

    def _send(self, head: bytes, body: bytes) -> None:
        if self._sock is None:
            self._sock = socket.create_connection(self._address, timeout=self._timeout_s)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(body) < 65_536:
            self._sock.sendall(head + body)
        else:
            self._sock.sendall(head)
            self._sock.sendall(body)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock, self._rest = None, b""

    def _answer(self, keep: bool) -> Answer:
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        if status == 100:
            return self._answer(keep)
        fields = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        parts: list[bytes] = []
        if "chunked" in headers.get("transfer-encoding", "").lower():
            size = self._chunks(parts if keep else None)
        elif "content-length" in headers:
            size = self._exactly(int(headers["content-length"]), parts if keep else None)
        elif status in (204, 304):
            size = 0
        else:
            size = self._to_the_end(parts if keep else None)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, size, b"".join(parts))

    def _read(self) -> memoryview:
        assert self._sock is not None
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        got = self._sock.recv_into(self._buffer)
        return memoryview(self._buffer)[:got]

    def _until(self, mark: bytes) -> bytes:
        data = self._rest
        while mark not in data:
            more = self._read()
            if not more:
                self.close()
                raise ClosedEarly("the server closed the connection")
            data += bytes(more)
        head, _, self._rest = data.partition(mark)
        return head

    def _exactly(self, length: int, parts: list[bytes] | None) -> int:
        first, self._rest = self._rest[:length], self._rest[length:]
        if parts is not None:
            parts.append(first)
        missing = length - len(first)
        while missing:
            piece = self._read()
            if not piece:
                raise BadAnswer(f"the body ended {missing} bytes early")
            if len(piece) > missing:
                self._rest = bytes(piece[missing:])
                piece = piece[:missing]
            if parts is not None:
                parts.append(bytes(piece))
            missing -= len(piece)
        return length

    def _chunks(self, parts: list[bytes] | None) -> int:
        total = 0
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            total += self._exactly(size, parts)
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            pass
        return total

    def _to_the_end(self, parts: list[bytes] | None) -> int:
        size = len(self._rest)
        if parts is not None:
            parts.append(self._rest)
        self._rest = b""
        while piece := self._read():
            size += len(piece)
            if parts is not None:
                parts.append(bytes(piece))
        self.close()
        return size


def multipart(parts: list[bytes], boundary: str = "bench-boundary-7e1f") -> tuple[str, bytes]:
    """Content type and body of a STOW-RS request (PS3.18 10.5.1)."""
    body = b"".join(
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + part + b"\r\n" for part in parts
    )
    content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return content_type, body + f"--{boundary}--\r\n".encode()
