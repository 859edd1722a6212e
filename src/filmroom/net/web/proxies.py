"""Behind a proxy, the address that a request came from is what trusted proxies say (``X-Forwarded-For``)."""

import ipaddress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from filmroom.settings import BadSetting


class Forwarded:
    """Puts the browser's address in the place of the proxy's. Nobody but a trusted proxy is believed.

    ``trusted`` are networks, separated by commas. Raises BadSetting.
    """

    def __init__(self, app: ASGIApp, trusted: str) -> None:
        self._app = app
        try:
            self._trusted = [ipaddress.ip_network(each.strip()) for each in trusted.split(",") if each.strip()]
        except ValueError as error:
            raise BadSetting(f"web.trusted_proxies: {error}") from error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if self._trusted and scope["type"] in {"http", "websocket"} and client and self._trusts(client[0]):
            scope = {**scope, "client": (self._origin(Headers(scope=scope), client[0]), client[1])}
        await self._app(scope, receive, send)

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


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
