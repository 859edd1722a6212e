"""Setting up a second factor, and passkeys, in the browser."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.bodies import json_object
from filmroom.net.web.door import peer_of, safe_next
from filmroom.net.web.errors import Refused
from filmroom.net.web.login import Login, fields_of
from filmroom.net.web.login_pages import Page, after, enrolling, form, passkey_button, recovery
from filmroom.net.web.login_site import site_of
from filmroom.net.web.proxies import below, prefix_of
from filmroom.security.model import Account, AccountLocked, Owes
from filmroom.security.passkeys import PasskeyRefused
from filmroom.security.people import People
from filmroom.settings import WebSettings

MAX_PASSKEY_BYTES = 65_536


class LoginFactors:
    """``/login/factors`` and the questions that a browser's passkeys answer."""

    def __init__(self, people: People, web: WebSettings, login: Login) -> None:
        self._people = people
        self._web = web
        self._login = login

    def routes(self) -> list[Route]:
        return [
            Route("/login/factors", self.page),
            Route("/login/factors", self.change, methods=["POST"]),
            Route("/login/passkey/options", self.ask, methods=["POST"]),
            Route("/login/passkey", self.show, methods=["POST"]),
            Route("/login/passkeys/options", self.offer, methods=["POST"]),
            Route("/login/passkeys", self.add, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """What there is, and what can be added."""
        return await self._inside(request, self._page)

    async def change(self, request: Request) -> Response:
        """The first code of an authenticator, or fresh recovery codes."""
        return await self._inside(request, self._change)

    async def ask(self, request: Request) -> Response:
        """Ask the browser for a passkey: of whoever gave a password, else of anybody."""
        account = await self._login.account(request, Owes.FACTOR)
        options = await self._people.passkeys.ask(site_of(request, self._web.public_url), account)
        return _json(options)

    async def show(self, request: Request) -> Response:
        """Take the passkey; answers where to go."""
        account = await self._login.account(request, Owes.FACTOR)
        shown = await json_object(request, most_bytes=MAX_PASSKEY_BYTES)
        try:
            found = await self._people.passkeys.check(site_of(request, self._web.public_url), shown, account)
        except PasskeyRefused as refused:
            name = "" if account is None else account.name
            await self._people.sign_in.refused(name, peer_of(request.scope), "passkey")
            raise Refused(401, str(refused)) from refused
        opened = await self._login.open(request, found, "passkey")
        headers = {"set-cookie": opened.headers["set-cookie"]}
        return answer({"next": below(prefix_of(request.scope), opened.headers["location"])}, headers=headers)

    async def offer(self, request: Request) -> Response:
        """Ask the browser to make a passkey."""
        account = await self._demand(request)
        return _json(await self._people.passkeys.offer(account, site_of(request, self._web.public_url)))

    async def add(self, request: Request) -> Response:
        """Keep the passkey."""
        account = await self._demand(request)
        made = await json_object(request, most_bytes=MAX_PASSKEY_BYTES)
        label = request.headers.get("user-agent", "")
        try:
            await self._people.passkeys.add(account, site_of(request, self._web.public_url), made, _system(label))
        except PasskeyRefused as refused:
            raise Refused(422, str(refused)) from refused
        return answer({"next": below(prefix_of(request.scope), f"/login/factors{after(request)}")})

    async def _inside(self, request: Request, page: Callable[[Request, Account], Awaitable[Response]]) -> Response:
        account = await self._login.account(request, Owes.NOTHING, Owes.ENROLMENT)
        if account is None:
            return RedirectResponse("/login?next=/login/factors", 303, headers={"cache-control": "no-store"})
        return await page(request, account)

    async def _demand(self, request: Request) -> Account:
        account = await self._login.account(request, Owes.NOTHING, Owes.ENROLMENT)
        if account is None:
            raise Refused(401, "sign in first")
        return account

    async def _page(self, request: Request, account: Account, *, error: str = "", status: int = 200) -> Response:
        words, action = self._login.pages.words(request), f"/login/factors{after(request)}"
        signed = await self._login.who(request)
        owed = signed is not None and signed.owes is Owes.ENROLMENT
        parts = [f'<p class="explain">{words["factors_owed" if owed else "factors_text"]}</p>']
        if account.has_totp:
            left = await self._people.totp.recovery_left(account)
            fields = (
                f"<h2>{words['totp_title']}</h2><p>{words['totp_there']}</p>"
                f'<p class="hint">{words["recovery_left"]}: {left}</p><input type="hidden" name="renew" value="1">'
            )
            parts.append(form(fields, action=action, button=words["recovery_renew"], quiet=True))
        else:
            enrolment = await self._people.totp.waiting(account) or await self._people.totp.begin(account)
            parts.append(enrolling(words, enrolment, action=action))
        site = site_of(request, self._web.public_url)
        if site.is_domain:
            count = f"<p>{words['passkeys_there']}: {account.passkeys}</p>" if account.passkeys else ""
            button = passkey_button(words, words["passkey_add"], f"/login{after(request)}", add=True)
            parts.append(f'<section class="others" hidden><h2>{words["passkeys_title"]}</h2>{count}{button}</section>')
        if not owed:
            target = safe_next(request.query_params.get("next", "/"))
            parts.append(f'<p class="back"><a href="{_escaped(target)}">{words["back"]}</a></p>')
        page = Page(title="factors_title", body="".join(parts), error=error, status=status, script=site.is_domain)
        return self._login.pages.answer(request, page)

    async def _change(self, request: Request, account: Account) -> Response:
        fields = await fields_of(request)
        if "renew" in fields and account.has_totp:
            return self._codes(request, await self._people.totp.renew_recovery(account))
        try:
            codes = await self._people.totp.confirm(account, fields.get("code", ""))
        except AccountLocked:
            return await self._page(request, account, error="locked", status=429)
        except NotFound:
            return await self._page(request, account)
        if codes is None:
            return await self._page(request, account, error="wrong_code", status=422)
        return self._codes(request, codes)

    def _codes(self, request: Request, codes: list[str]) -> Response:
        words = self._login.pages.words(request)
        body = recovery(words, codes, onward=safe_next(request.query_params.get("next", "/")))
        return self._login.pages.answer(request, Page(title="recovery_title", body=body))


def _json(text: str) -> Response:
    return Response(text, media_type="application/json", headers={"cache-control": "no-store"})


def _escaped(target: str) -> str:
    return target.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _system(agent: str) -> str:
    """What a passkey is called at first: where it was made."""
    systems = ("iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux")
    return next((each for each in systems if each in agent), "")
