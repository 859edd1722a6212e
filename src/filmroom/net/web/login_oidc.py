"""Signing in with an identity provider: the way there, the way back, and its word that somebody signed out."""

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from filmroom.base.errors import NotFound, Unavailable
from filmroom.net.web.door import peer_of, safe_next
from filmroom.net.web.errors import Refused
from filmroom.net.web.login import Login, fields_of
from filmroom.net.web.login_site import secure, site_of
from filmroom.net.web.oidc import OidcProvider
from filmroom.net.web.proxies import below, prefix_of
from filmroom.security.model import SignInRefused
from filmroom.security.people import People
from filmroom.security.questions import LASTS
from filmroom.settings import WebSettings

COOKIE = "filmroom-way"


class LoginOidc:
    """``/login/with/...``."""

    def __init__(self, people: People, web: WebSettings, login: Login, providers: Mapping[str, OidcProvider]) -> None:
        self._people = people
        self._web = web
        self._login = login
        self._providers = providers

    def routes(self) -> list[Route]:
        one = "/login/with/{provider}"
        return [
            Route(one, self.go),
            Route(one + "/return", self.come_back),
            Route(one + "/signed-out", self.signed_out, methods=["POST"]),
        ]

    async def go(self, request: Request) -> Response:
        """Send the browser to the provider; who comes back must be the same browser."""
        provider = self._of(request)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        back = self._back(request, provider)
        kept = {"nonce": nonce, "verifier": verifier, "next": safe_next(request.query_params.get("next", "/"))}
        try:
            await self._people.questions.ask(state, f"oidc:{provider.name}", kept)
            address = await provider.address(state=state, nonce=nonce, verifier=verifier, back=back)
        except (Unavailable, SignInRefused):
            return RedirectResponse("/login?refused", 303, headers={"cache-control": "no-store"})
        response = RedirectResponse(address, 303, headers={"cache-control": "no-store"})
        response.set_cookie(
            COOKIE,
            state,
            max_age=int(LASTS.total_seconds()),
            path="/login/with/",
            httponly=True,
            samesite="lax",
            secure=secure(request, self._web),
        )
        return response

    async def come_back(self, request: Request) -> Response:
        """Take the provider's answer."""
        provider, peer = self._of(request), peer_of(request.scope)
        try:
            return await self._admit(request, provider)
        except (SignInRefused, Unavailable) as refused:
            await self._people.sign_in.refused("", peer, f"{provider.name}: {refused}")
            return RedirectResponse("/login?refused", 303, headers={"cache-control": "no-store"})

    async def signed_out(self, request: Request) -> Response:
        """The provider says that somebody signed out there (Back-Channel Logout 1.0, section 2.5)."""
        provider, fields = self._of(request), await fields_of(request)
        try:
            sid, subject = await provider.signed_out(fields.get("logout_token", ""))
        except SignInRefused as refused:
            raise Refused(400, str(refused)) from refused
        await self._people.sessions.end_of_provider(provider.name, sid=sid, subject=subject)
        return Response(status_code=200, headers={"cache-control": "no-store"})

    async def _admit(self, request: Request, provider: OidcProvider) -> Response:
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        if not state or not hmac.compare_digest(state.encode(), request.cookies.get(COOKIE, "").encode()):
            raise SignInRefused("another browser went there")
        asked = await self._people.questions.answered(state, f"oidc:{provider.name}")
        if asked is None:
            raise SignInRefused("nobody asked, or too long ago")
        if not code:
            raise SignInRefused("the provider refused")
        kept = asked[1]
        back = self._back(request, provider)
        came = await provider.redeem(code=code, nonce=kept["nonce"], verifier=kept["verifier"], back=back)
        account = await self._people.vouching.admit(came.person, came.roles)
        response = await self._login.open(
            request,
            account,
            "oidc",
            owes_factor=account.has_factor,
            provider=provider.name,
            provider_id=came.sid,
            target=kept["next"],
        )
        response.delete_cookie(COOKIE, path="/login/with/", httponly=True, samesite="lax")
        return response

    def _of(self, request: Request) -> OidcProvider:
        provider = self._providers.get(request.path_params["provider"])
        if provider is None:
            raise NotFound("no such identity provider")
        return provider

    def _back(self, request: Request, provider: OidcProvider) -> str:
        path = below(prefix_of(request.scope), f"/login/with/{quote(provider.name, safe='')}/return")
        return f"{site_of(request, self._web.public_url).origin}{path}"
