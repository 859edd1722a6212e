"""The pages around signing in, as HTML: no script stands in them, and everything that was typed is escaped."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from filmroom.net.web.assets import text_asset
from filmroom.net.web.proxies import prefix_of
from filmroom.net.web.relocation import moved
from filmroom.net.web.words import LANGUAGES, WORDS, choose
from filmroom.security.totp import Enrolment

LANGUAGE_COOKIE = "lang"
YEAR_S = 365 * 86_400

_PAGE = Template(text_asset("login.html"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page says: ``body`` is HTML, ``error`` and ``notice`` are keys of the words."""

    title: str
    body: str
    error: str = ""
    notice: str = ""
    status: int = 200
    script: bool = False


class Pages:
    """Fills the one template in the reader's language."""

    def __init__(self, *, language: str) -> None:
        self._language = language

    def words(self, request: Request) -> dict[str, str]:
        """The words of the reader's language, escaped."""
        return {key: html.escape(text) for key, text in WORDS[self._of(request)].items()}

    def answer(self, request: Request, page: Page) -> Response:
        """The page; its language is remembered when it was asked for."""
        language, words = self._of(request), self.words(request)
        target = request.query_params.get("next", "")
        address = f"&amp;next={quote(target, safe='')}" if target else ""
        links = " ".join(
            f'<a href="{request.url.path}?lang={code}{address}" hreflang="{code}" lang="{code}"'
            f"{' aria-current=true' if code == language else ''}>{label}</a>"
            for code, label in LANGUAGES.items()
        )
        message = words[page.error] if page.error else words[page.notice] if page.notice else ""
        kind, role = ("error", "alert") if page.error else ("notice", "status")
        values = {
            "lang": "zh-Hans" if language == "zh" else "en",
            "title": words[page.title],
            "message": f'<p class="{kind}" role="{role}">{message}</p>' if message else "",
            "body": page.body,
            "script": '<script src="/static/passkeys.js" defer></script>' if page.script else "",
            "languages": links,
        }
        headers = {"cache-control": "no-store", "vary": "accept-language, cookie"}
        body = moved(_PAGE.substitute(words | values).encode(), prefix_of(request.scope))
        response = Response(body, page.status, media_type="text/html", headers=headers)
        asked = request.query_params.get("lang", "")
        if asked in LANGUAGES:
            response.set_cookie(LANGUAGE_COOKIE, asked, max_age=YEAR_S, path="/", samesite="lax")
        return response

    def _of(self, request: Request) -> str:
        return choose(
            request.query_params.get("lang", ""),
            request.cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("accept-language", ""),
            self._language,
        )


def after(request: Request) -> str:
    """The part of an address that says where to go after, '' for the front page."""
    target = request.query_params.get("next", "")
    return f"?next={quote(target, safe='')}" if target else ""


def form(body: str, *, action: str, button: str, quiet: bool = False) -> str:
    """A form with its button."""
    look = ' class="quiet"' if quiet else ""
    return (
        f'<form method="post" action="{html.escape(action)}">{body}<button type="submit"{look}>{button}</button></form>'
    )


def signing_in(
    words: dict[str, str], *, action: str, name: str, passkeys: bool, providers: Sequence[tuple[str, str]]
) -> str:
    """Name and password; below it a passkey and the providers."""
    focus_name, focus_password = ("", " autofocus") if name else (" autofocus", "")
    fields = (
        f'<label for="name">{words["name"]}</label>'
        f'<input id="name" name="name" value="{html.escape(name, quote=True)}" autocomplete="username webauthn"'
        f' autocapitalize="none" spellcheck="false" maxlength="64" required{focus_name}>'
        f'<label for="password">{words["password"]}</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" required'
        f"{focus_password}>"
    )
    other = [
        f'<a class="button" href="{html.escape(address)}">{words["with"]} {html.escape(label)}</a>'
        for label, address in providers
    ]
    if passkeys:
        other.insert(0, passkey_button(words, words["with_passkey"], action))
    below = f'<div class="others"{"" if providers else " hidden"}>{"".join(other)}</div>' if other else ""
    return form(fields, action=action, button=words["sign_in"]) + below


def passkey_button(words: dict[str, str], label: str, action: str, *, add: bool = False) -> str:
    """A button that the script brings to life where the browser knows passkeys."""
    folder = "/login/passkeys" if add else "/login/passkey"
    return (
        f'<button type="button" class="quiet" hidden data-passkey="{"add" if add else "show"}"'
        f' data-options="{folder}/options" data-answer="{html.escape(folder + action.removeprefix("/login"))}"'
        f' data-failed="{words["passkey_failed"]}">{label}</button>'
    )


def choosing(words: dict[str, str], *, action: str, min_length: int) -> str:
    """A new password in place of a one-time or expired one."""
    rule = words["rule"].replace("10", str(min_length))
    fields = (
        f'<p class="explain">{words["choose_text"]}</p>'
        f'<label for="new">{words["new_password"]}</label>'
        f'<input id="new" name="new" type="password" autocomplete="new-password" minlength="{min_length}" required'
        ' autofocus aria-describedby="rule">'
        f'<p class="hint" id="rule">{rule}</p>'
        f'<label for="repeat">{words["repeat"]}</label>'
        '<input id="repeat" name="repeat" type="password" autocomplete="new-password" required>'
    )
    return form(fields, action=action, button=words["save"])


def asking_code(words: dict[str, str], *, action: str, totp: bool, passkeys: bool) -> str:
    """The second factor."""
    parts = []
    if totp:
        fields = (
            f'<label for="code">{words["code"]}</label>'
            '<input id="code" name="code" autocomplete="one-time-code" spellcheck="false" maxlength="20"'
            ' required autofocus aria-describedby="code-hint">'
            f'<p class="hint" id="code-hint">{words["code_hint"]}</p>'
        )
        parts.append(form(fields, action=action, button=words["continue"]))
    if passkeys:
        hidden = " hidden" if totp else ""
        none = "" if totp else f"<noscript>{words['passkey_needs_script']}</noscript>"
        button = passkey_button(words, words["with_passkey"], action)
        parts.append(f'<div class="others"{hidden}>{none}{button}</div>')
    parts.append(f'<form method="post" action="/logout" class="plain"><button>{words["another"]}</button></form>')
    return "".join(parts)


def enrolling(words: dict[str, str], enrolment: Enrolment, *, action: str) -> str:
    """A picture for the authenticator program, and the field for its first code."""
    picture = base64.b64encode(enrolment.svg.encode()).decode()
    spaced = " ".join(enrolment.secret[i : i + 4] for i in range(0, len(enrolment.secret), 4))
    fields = (
        f'<p class="explain">{words["totp_text"]}</p>'
        f'<img class="qr" src="data:image/svg+xml;base64,{picture}" alt="{words["totp_qr"]}">'
        f"<details><summary>{words['totp_typed']}</summary><code>{spaced}</code></details>"
        f'<label for="code">{words["first_code"]}</label>'
        '<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="10" required>'
    )
    return form(fields, action=action, button=words["totp_confirm"])


def recovery(words: dict[str, str], codes: Sequence[str], *, onward: str) -> str:
    """Recovery codes, shown once."""
    items = "".join(f"<li><code>{code}</code></li>" for code in codes)
    return (
        f'<section><p class="explain">{words["recovery_text"]}</p><ol class="codes">{items}</ol>'
        f'<a class="button main" href="{html.escape(onward)}">{words["recovery_kept"]}</a></section>'
    )
