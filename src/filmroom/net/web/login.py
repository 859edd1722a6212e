"""The login page, signing in and out, and the change of a one-time password."""

import html
from string import Template
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from filmroom.base.errors import Forbidden, Unavailable
from filmroom.net.web.assets import text_asset
from filmroom.net.web.bodies import whole
from filmroom.net.web.door import COOKIE, safe_next, session_cookie
from filmroom.net.web.words import LANGUAGES, WORDS, choose
from filmroom.security.accounts import Accounts
from filmroom.security.model import Account, AccountLocked, SignedIn, SignInRefused
from filmroom.security.passwords import PasswordRefused
from filmroom.security.sessions import Sessions
from filmroom.settings import WebSettings

# Two short fields; a passphrase has at most 1,024 bytes, percent-encoded three times as many.
MAX_FORM_BYTES = 16_384
LANGUAGE_COOKIE = "lang"
YEAR_S = 365 * 86_400

_PAGE = Template(text_asset("login.html"))


class Login:
    """The one page that stands open."""

    def __init__(self, accounts: Accounts, sessions: Sessions, settings: WebSettings, *, language: str) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._settings = settings
        self._language = language

    async def page(self, request: Request) -> Response:
        """The form; for somebody who signed in with a one-time password, the form for a new one."""
        owed = await self._who(request)
        if owed is not None and not owed.must_change:
            return RedirectResponse(safe_next(request.query_params.get("next", "/")), 303)
        notice = "signed_out" if "signed-out" in request.query_params else ""
        return self._form(request, choosing=owed is not None, notice=notice)

    async def sign_in(self, request: Request) -> Response:
        """Take the form."""
        fields = await _fields(request)
        if "new" in fields:
            return await self._choose(request, fields)
        name = fields.get("name", "").strip()
        try:
            account = await self._accounts.sign_in(name, fields.get("password", ""))
        except AccountLocked:
            return self._form(request, error="locked", name=name, status=429)
        except SignInRefused:
            return self._form(request, error="wrong", name=name, status=401)
        except Unavailable:
            return self._form(request, error="away", name=name, status=503)
        return await self._open(request, account)

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        if cookie := session_cookie(request.headers):
            await self._sessions.close(cookie)
        response = RedirectResponse("/login?signed-out", 303)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=self._secure(request))
        return response

    async def _choose(self, request: Request, fields: dict[str, str]) -> Response:
        owed = await self._who(request)
        if owed is None:
            return self._form(request, error="expired", status=401)
        new = fields["new"]
        if new != fields.get("repeat", ""):
            return self._form(request, choosing=True, error="differ", status=422)
        try:
            account = await self._accounts.choose_password(owed.principal, new)
        except PasswordRefused as refused:
            error = "same" if "old one" in str(refused) else "weak"
            return self._form(request, choosing=True, error=error, status=422)
        except Forbidden:
            return RedirectResponse("/", 303)
        self._sessions.forget()
        return await self._open(request, account)

    async def _open(self, request: Request, account: Account) -> Response:
        cookie = await self._sessions.open(account, request.client.host if request.client else "")
        target = safe_next(request.query_params.get("next", "/"))
        if account.must_change:
            target = f"/login?next={quote(target, safe='')}"
        response = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        response.set_cookie(COOKIE, cookie, path="/", httponly=True, samesite="lax", secure=self._secure(request))
        return response

    async def _who(self, request: Request) -> SignedIn | None:
        cookie = session_cookie(request.headers)
        return await self._sessions.find(cookie) if cookie else None

    def _secure(self, request: Request) -> bool:
        return request.url.scheme == "https" or self._settings.public_url.startswith("https:")

    def _form(
        self,
        request: Request,
        *,
        choosing: bool = False,
        error: str = "",
        notice: str = "",
        name: str = "",
        status: int = 200,
    ) -> Response:
        asked = request.query_params.get("lang", "")
        language = choose(
            asked,
            request.cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("accept-language", ""),
            self._language,
        )
        target = request.query_params.get("next", "")
        page = _render(language, choosing=choosing, error=error, notice=notice, name=name, target=target)
        headers = {"cache-control": "no-store", "vary": "accept-language, cookie"}
        response = Response(page, status, media_type="text/html", headers=headers)
        if asked in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, asked, max_age=YEAR_S, path="/", samesite="lax")
        return response


async def _fields(request: Request) -> dict[str, str]:
    text = (await whole(request, most_bytes=MAX_FORM_BYTES)).decode("utf-8", "replace")
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {key: values[0] for key, values in found.items()}


def _render(language: str, *, choosing: bool, error: str, notice: str, name: str, target: str) -> str:
    words = {key: html.escape(text) for key, text in WORDS[language].items()}
    address = f"&amp;next={quote(target, safe='')}" if target else ""
    links = " ".join(
        f'<a href="/login?lang={code}{address}" hreflang="{code}" lang="{code}"'
        f"{' aria-current=true' if code == language else ''}>{label}</a>"
        for code, label in LANGUAGES.items()
    )
    message = words[error] if error else words[notice] if notice else ""
    values = {
        "lang": "zh-Hans" if language == "zh" else "en",
        "title": words["choose_title"] if choosing else words["sign_in"],
        "heading": words["choose_title"] if choosing else words["sign_in"],
        "message": f'<p class="{"error" if error else "notice"}" role="alert">{message}</p>' if message else "",
        "fields": _choosing(words) if choosing else _signing_in(words, html.escape(name, quote=True)),
        "button": words["save"] if choosing else words["sign_in"],
        "action": f"/login?lang={language}{address}",
        "languages": links,
    }
    return _PAGE.substitute(words | values)


def _signing_in(words: dict[str, str], name: str) -> str:
    focus_name, focus_password = ("", " autofocus") if name else (" autofocus", "")
    return (
        f'<label for="name">{words["name"]}</label>'
        f'<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none" spellcheck="false"'
        f" required{focus_name}>"
        f'<label for="password">{words["password"]}</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" required'
        f"{focus_password}>"
    )


def _choosing(words: dict[str, str]) -> str:
    return (
        f'<p class="explain">{words["choose_text"]}</p>'
        f'<label for="new">{words["new_password"]}</label>'
        '<input id="new" name="new" type="password" autocomplete="new-password" minlength="10" required autofocus'
        ' aria-describedby="rule">'
        f'<p class="hint" id="rule">{words["rule"]}</p>'
        f'<label for="repeat">{words["repeat"]}</label>'
        '<input id="repeat" name="repeat" type="password" autocomplete="new-password" required>'
    )
