"""As which site a browser knows us, and who else may sign people in."""

import ipaddress
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request

from filmroom.net.web.proxies import prefix_of
from filmroom.security.passkeys import Site as BoundSite
from filmroom.settings import WebSettings


class Site(BoundSite):
    """The same, with what a page wants to know of it."""

    @property
    def is_domain(self) -> bool:
        """Whether passkeys can be bound to it: to names, never to addresses."""
        try:
            ipaddress.ip_address(self.name.strip("[]"))
        except ValueError:
            return bool(self.name)
        return False


class Provider(Protocol):
    """Somebody else who signs people in, as the login page sees it."""

    @property
    def label(self) -> str: ...

    async def sign_out_address(self, back: str) -> str:
        """Where to sign out there as well; '' when it has no such place."""
        ...


def site_of(request: Request, public_url: str) -> Site:
    """Our own address as the browser uses it."""
    parts = (
        urlsplit(public_url) if public_url else urlsplit(f"{request.url.scheme}://{request.headers.get('host', '')}")
    )
    try:
        name = parts.hostname or ""
    except ValueError:
        name = ""
    return Site(name, f"{parts.scheme}://{parts.netloc}")


def site_address(request: Request, public_url: str) -> str:
    """Our own address with the path that we stand below, without a slash at its end."""
    return public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}{prefix_of(request.scope)}"


def secure(request: Request, web: WebSettings) -> bool:
    """Whether cookies travel over TLS only."""
    return request.url.scheme == "https" or web.public_url.startswith("https:")
