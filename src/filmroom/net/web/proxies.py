"""Behind a proxy, what the browser asked for is what trusted proxies say: its address (``X-Forwarded-For``), the scheme
and host (``X-Forwarded-Proto``, ``X-Forwarded-Host``) and the path that we stand below (``X-Forwarded-Prefix``)."""

import ipaddress
import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmroom.settings import BadSetting

_PREFIX = "filmroom.prefix"
# Plain path segments: what goes into pages and headers needs no quoting.
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+){1,8}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


class Forwarded:
    """Puts what the browser sees in the place of what the proxy sends. Nobody but a trusted proxy is believed.

    ``trusted`` are networks, separated by commas; a path in ``public_url`` holds for every request. The proxy may pass
    that path on or cut it off. Raises BadSetting.
    """

    def __init__(self, app: ASGIApp, trusted: str, public_url: str = "") -> None:
        self._app = app
        self._prefix = urlsplit(public_url).path.rstrip("/")
        if self._prefix and not _PATH.fullmatch(self._prefix):
            raise BadSetting(f"web.public_url: {self._prefix!r} is not a plain path")
        try:
            self._trusted = [ipaddress.ip_network(each.strip()) for each in trusted.split(",") if each.strip()]
        except ValueError as error:
            raise BadSetting(f"web.trusted_proxies: {error}") from error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        if self._trusted and client and self._trusts(client[0]):
            scope = self._as_forwarded({**scope}, Headers(scope=scope))
        elif self._prefix:
            scope = {**scope, _PREFIX: self._prefix}
        prefix = prefix_of(scope)
        if not prefix:
            await self._app(scope, receive, send)
            return
        await self._app(_below(scope, prefix), receive, _moved(send, prefix))

    def _as_forwarded(self, scope: Scope, headers: Headers) -> Scope:
        scope["client"] = (self._origin(headers, scope["client"][0]), scope["client"][1])
        scheme = _last(headers, "x-forwarded-proto").lower()
        if scheme in {"http", "https"}:
            scope["scheme"] = scheme if scope["type"] == "http" else scheme.replace("http", "ws")
        host = _last(headers, "x-forwarded-host")
        if _HOST.fullmatch(host):
            kept = [each for each in scope["headers"] if each[0] != b"host"]
            scope["headers"] = [*kept, (b"host", host.encode("ascii"))]
        said = _last(headers, "x-forwarded-prefix").rstrip("/")
        scope[_PREFIX] = self._prefix or (said if _PATH.fullmatch(said) else "")
        return scope

    def _origin(self, headers: Headers, proxy: str) -> str:
        """The last address that no trusted proxy has: what stands before it anybody could have written."""
        hops = ",".join(headers.getlist("x-forwarded-for")).split(",")
        found = proxy
        for hop in reversed([each.strip() for each in hops if each.strip()]):
            if _address(hop) is None:
                break
            found = hop
            if not self._trusts(hop):
                break
        return found

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._trusted)


def prefix_of(scope: MutableMapping[str, Any]) -> str:
    """The path that the browser sees before ours; '' at the root of a host."""
    return str(scope.get(_PREFIX, ""))


def below(prefix: str, path: str) -> str:
    """A path of ours as the browser asks for it; one that is already so stays."""
    return path if not path.startswith("/") or path.startswith(("//", prefix + "/")) else prefix + path


def _below(scope: Scope, prefix: str) -> Scope:
    """The request without the prefix, where the proxy passed it on."""
    path: str = scope["path"]
    if path != prefix and not path.startswith(prefix + "/"):
        return scope
    raw = scope.get("raw_path") or b""
    return {
        **scope,
        "path": path[len(prefix) :] or "/",
        "raw_path": raw[len(prefix) :] if raw.startswith(prefix.encode()) else raw,
    }


def _moved(send: Send, prefix: str) -> Send:
    """Redirections and cookies below the prefix."""

    def header(name: bytes, value: bytes) -> bytes:
        if name == b"location":
            return below(prefix, value.decode("latin-1")).encode("latin-1")
        if name == b"set-cookie":
            return re.sub(rb"(?i)(;\s*path=)/", rb"\1" + prefix.encode() + b"/", value, count=1)
        return value

    async def send_moved(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, header(bytes(name).lower(), bytes(value))) for name, value in message["headers"]]
            message = {**message, "headers": headers}
        await send(message)

    return send_moved


def _last(headers: Headers, name: str) -> str:
    """What the proxy next to us says; what stands before it anybody could have written."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
