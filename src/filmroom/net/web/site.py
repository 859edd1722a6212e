"""Folders of built files (viewer, console), with the compressed forms that stand beside them."""

import asyncio
import gzip
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from filmroom.base.errors import NotFound
from filmroom.net.web.proxies import prefix_of
from filmroom.net.web.relocation import moved
from filmroom.wire.http.mediatypes import encodings

_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".ico": "image/vnd.microsoft.icon",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
    ".ttf": "font/ttf",
    ".xml": "application/xml",
    ".onnx": "application/octet-stream",
}
_CODINGS = {".zst": "zstd", ".gz": "gzip"}
# A digest in the name: the content under it never changes (webpack's hexadecimal, Vite's base64).
_HASHED = re.compile(r"(^|[.-])([0-9a-f]{16,32}|(?=[\w-]*\d)[\w-]{8})\.(js|mjs|css|wasm|woff2?|png|svg|ttf)$")
_YEAR = "public, max-age=31536000, immutable"
_ASK = "no-cache"
# The console has some sixty files; a site is seen below one path, seldom below two.
MOVED_FILES = 256


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    media: str
    etag: str
    cache: str
    codings: Mapping[str, Path]


class Site:
    """One built folder. Every address without a file in it is the application's own page (``index.html``)."""

    def __init__(self, folder: Path, moving: frozenset[str] = frozenset({".html"})) -> None:
        """``moving`` are the kinds of file that name addresses of ours, which a proxy's path changes."""
        self._folder = folder
        self._moving = moving
        self._moved: OrderedDict[tuple[str, str], tuple[bytes, bytes]] = OrderedDict()
        self._files: dict[str, _File] | None = None

    @property
    def built(self) -> bool:
        return (self._folder / "index.html").is_file()

    async def file(self, request: Request) -> Response:
        if self._files is None:
            self._files = await asyncio.to_thread(_scan, self._folder)
        name = request.path_params.get("path", "") or "index.html"
        found = self._files.get(name)
        if found is None and "." not in name.rpartition("/")[2]:
            found = self._files.get("index.html")
        if found is None:
            raise NotFound("there is no such file")
        prefix = prefix_of(request.scope)
        if prefix and found.path.suffix in self._moving:
            return await self._answer_moved(request, found, prefix)
        return _answer(request, found)

    async def _answer_moved(self, request: Request, file: _File, prefix: str) -> Response:
        coding = "gzip" if "gzip" in encodings(request.headers.get("accept-encoding")) else ""
        tag = hashlib.sha256(f"{file.etag} {prefix} {coding}".encode()).hexdigest()[:20]
        headers = {"cache-control": file.cache, "vary": "accept-encoding", "etag": f'"{tag}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        key = (prefix, str(file.path))
        if (kept := self._moved.get(key)) is None:
            kept = self._moved[key] = await asyncio.to_thread(_move, file.path, prefix)
        self._moved.move_to_end(key)
        while len(self._moved) > MOVED_FILES:
            self._moved.popitem(last=False)
        if coding:
            headers["content-encoding"] = coding
        return Response(kept[1] if coding else kept[0], headers=headers, media_type=file.media)


def _move(path: Path, prefix: str) -> tuple[bytes, bytes]:
    plain = moved(path.read_bytes(), prefix)
    return plain, gzip.compress(plain, 6, mtime=0)


def _scan(folder: Path) -> dict[str, _File]:
    files: dict[str, _File] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _CODINGS and not path.name.startswith("."):
            files[path.relative_to(folder).as_posix()] = _describe(path)
    return files


def _describe(path: Path) -> _File:
    status = path.stat()
    mark = hashlib.sha256(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:20]
    codings = {
        coding: beside
        for suffix, coding in _CODINGS.items()
        if (beside := path.with_name(path.name + suffix)).is_file()
    }
    media = _TYPES.get(path.suffix, "application/octet-stream" if path.suffix else "text/plain; charset=utf-8")
    return _File(path, media, mark, _YEAR if _HASHED.search(path.name) else _ASK, codings)


def _answer(request: Request, file: _File) -> Response:
    known = encodings(request.headers.get("accept-encoding"))
    coding = next((coding for coding in file.codings if coding in known), "")
    headers = {"cache-control": file.cache, "vary": "accept-encoding", "etag": f'"{file.etag}{coding[:2]}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    headers["content-type"] = file.media
    if coding:
        headers["content-encoding"] = coding
    return WholeFile(file.codings[coding] if coding else file.path, headers)


class WholeFile(Response):
    """A file, handed to the server by its path where it knows how (no byte of it passes through here)."""

    def __init__(self, path: Path, headers: Mapping[str, str]) -> None:
        self._path = path
        self.status_code = 200
        self.background = None
        self.init_headers({**headers, "content-length": str(path.stat().st_size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        elif "http.response.pathsend" in scope.get("extensions", {}):
            await send({"type": "http.response.pathsend", "path": str(self._path)})
        else:
            await send({"type": "http.response.body", "body": await asyncio.to_thread(self._path.read_bytes)})
