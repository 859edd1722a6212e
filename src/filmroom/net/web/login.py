"""Signing in and out: name and password, the second factor, the change of a one-time password."""

from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from filmroom.base.errors import Forbidden, Unavailable
from filmroom.net.web.bodies import whole
from filmroom.net.web.door import COOKIE, peer_of, safe_next, session_cookie
from filmroom.net.web.login_pages import Page, Pages, after, asking_code, choosing, signing_in
from filmroom.net.web.login_site import Provider, secure, site_of
from filmroom.net.web.proxies import below, prefix_of
from filmroom.security.model import Account, AccountLocked, Owes, SignedIn, SignInRefused
from filmroom.security.passwords import PasswordRefused
from filmroom.security.people import People
from filmroom.settings import PeopleSettings, WebSettings

# Two short fields; a passphrase has at most 1,024 bytes, percent-encoded three times as many.
MAX_FORM_BYTES = 16_384

__all__ = ["COOKIE", "Login", "fields_of"]


class Login:
    """The page that stands open, and what comes of it."""

    def __init__(
        self,
        people: People,
        web: WebSettings,
        settings: PeopleSettings,
        *,
        language: str,
        providers: dict[str, Provider] | None = None,
    ) -> None:
        self._people = people
        self._web = web
        self._settings = settings
        self._providers = providers or {}
        self.pages = Pages(language=language)

    def routes(self) -> list[Route]:
        return [
            Route("/login", self.page),
            Route("/login", self.sign_in, methods=["POST"]),
            Route("/logout", self.sign_out, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The form for what is owed next."""
        signed = await self.who(request)
        notice = "signed_out" if "signed-out" in request.query_params else ""
        error = "provider_refused" if "refused" in request.query_params else ""
        if signed is None:
            return self._form(request, notice=notice, error=error)
        return await self._next(request, signed)

    async def sign_in(self, request: Request) -> Response:
        """Take a form."""
        fields = await fields_of(request)
        if "new" in fields:
            return await self._choose(request, fields)
        if "code" in fields:
            return await self._code(request, fields["code"])
        name = fields.get("name", "").strip()
        try:
            account = await self._people.sign_in.by_password(name, fields.get("password", ""), peer_of(request.scope))
        except AccountLocked:
            return self._form(request, error="locked", name=name, status=429)
        except SignInRefused:
            return self._form(request, error="wrong", name=name, status=401)
        except Unavailable:
            return self._form(request, error="away", name=name, status=503)
        return await self.open(request, account, "password", owes_factor=account.has_factor)

    async def sign_out(self, request: Request) -> Response:
        """End the session; where a provider opened it, go on to sign out there."""
        target = "/login?signed-out"
        if cookie := session_cookie(request.headers):
            signed = await self._people.sessions.find(cookie)
            await self._people.sessions.close(cookie, peer_of(request.scope))
            navigates = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
            if navigates and signed is not None and (provider := self._providers.get(signed.provider)) is not None:
                site = site_of(request, self._web.public_url)
                target = (
                    await provider.sign_out_address(f"{site.origin}{below(prefix_of(request.scope), target)}") or target
                )
        response = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=secure(request, self._web))
        return response

    async def open(
        self,
        request: Request,
        account: Account,
        method: str,
        *,
        owes_factor: bool = False,
        provider: str = "",
        provider_id: str = "",
        target: str | None = None,
    ) -> Response:
        """A new session for who showed something, in place of the one there was; and on to where they wanted."""
        sessions, peer = self._people.sessions, peer_of(request.scope)
        if old := session_cookie(request.headers):
            await sessions.drop(old)
        cookie = await sessions.open(
            account,
            peer,
            agent=request.headers.get("user-agent", ""),
            method=method,
            owes_factor=owes_factor,
            provider=provider,
            provider_id=provider_id,
        )
        if not owes_factor:
            await self._people.sign_in.entered(account, peer, method)
        target = safe_next(request.query_params.get("next", "/") if target is None else target)
        if sessions.owes(account, method, owes_factor=owes_factor) is not Owes.NOTHING:
            target = f"/login?next={quote(target, safe='')}"
        response = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        response.set_cookie(COOKIE, cookie, path="/", httponly=True, samesite="lax", secure=secure(request, self._web))
        return response

    async def who(self, request: Request) -> SignedIn | None:
        """Whose session the browser has."""
        cookie = session_cookie(request.headers)
        return await self._people.sessions.find(cookie) if cookie else None

    async def account(self, request: Request, *owes: Owes) -> Account | None:
        """The account of the session, when it owes one of these."""
        signed = await self.who(request)
        if signed is None or signed.owes not in owes:
            return None
        return await self._people.accounts.get(signed.principal, signed.principal.name)

    async def _next(self, request: Request, signed: SignedIn) -> Response:
        match signed.owes:
            case Owes.FACTOR:
                return await self._ask_code(request)
            case Owes.PASSWORD:
                return self._choosing(request)
            case Owes.ENROLMENT:
                return RedirectResponse(f"/login/factors{after(request)}", 303)
            case Owes.NOTHING:
                return RedirectResponse(safe_next(request.query_params.get("next", "/")), 303)

    async def _code(self, request: Request, code: str) -> Response:
        account = await self.account(request, Owes.FACTOR)
        if account is None:
            return self._form(request, error="expired", status=401)
        try:
            right = await self._people.totp.check(account, code)
        except AccountLocked:
            return await self._ask_code(request, error="locked", status=429)
        if not right:
            await self._people.sign_in.refused(account.name, peer_of(request.scope), "wrong code")
            return await self._ask_code(request, error="wrong_code", status=401)
        return await self.open(request, account, "code")

    async def _choose(self, request: Request, fields: dict[str, str]) -> Response:
        owed = await self.who(request)
        if owed is None or owed.owes is Owes.FACTOR:
            return self._form(request, error="expired", status=401)
        new = fields["new"]
        if new != fields.get("repeat", ""):
            return self._choosing(request, error="differ")
        try:
            account = await self._people.accounts.choose_password(owed.principal, new)
        except PasswordRefused as refused:
            return self._choosing(request, error=f"password_{refused.why}")
        except Forbidden:
            return RedirectResponse("/", 303)
        return await self.open(request, account, owed.method)

    async def _ask_code(self, request: Request, *, error: str = "", status: int = 200) -> Response:
        account = await self.account(request, Owes.FACTOR)
        if account is None:
            return self._form(request, error="expired", status=401)
        action = f"/login{after(request)}"
        passkeys = account.passkeys > 0
        body = asking_code(self.pages.words(request), action=action, totp=account.has_totp, passkeys=passkeys)
        page = Page(title="second_title", body=body, error=error, status=status, script=passkeys)
        return self.pages.answer(request, page)

    def _choosing(self, request: Request, *, error: str = "") -> Response:
        least = self._settings.password_min_length
        body = choosing(self.pages.words(request), action=f"/login{after(request)}", min_length=least)
        return self.pages.answer(
            request, Page(title="choose_title", body=body, error=error, status=422 if error else 200)
        )

    def _form(
        self, request: Request, *, error: str = "", notice: str = "", name: str = "", status: int = 200
    ) -> Response:
        action, site = f"/login{after(request)}", site_of(request, self._web.public_url)
        providers = [(each.label, f"/login/with/{key}{after(request)}") for key, each in self._providers.items()]
        body = signing_in(
            self.pages.words(request), action=action, name=name, passkeys=site.is_domain, providers=providers
        )
        page = Page(title="sign_in", body=body, error=error, notice=notice, status=status, script=site.is_domain)
        return self.pages.answer(request, page)


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form."""
    text = (await whole(request, most_bytes=MAX_FORM_BYTES)).decode("utf-8", "replace")
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {key: values[0] for key, values in found.items()}
