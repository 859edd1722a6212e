"""``/api/v1/shares``: links for people without an account; ``/share/{secret}``: where such a link leads."""

import html
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import parse_qs

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from filmroom.archive.safekeeping import Safekeeping
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of, whole
from filmroom.net.web.door import GUEST_COOKIE, who
from filmroom.net.web.login_site import site_address
from filmroom.net.web.ports import WebServices
from filmroom.net.web.proxies import prefix_of
from filmroom.net.web.relocation import moved
from filmroom.net.web.words import choose
from filmroom.security.policy import Action
from filmroom.security.qr import qr_svg
from filmroom.security.shares import ShareAsked, ShareRefused

MAX_FORM_BYTES = 2048

_WORDS = {
    "en": {
        "title": "Shared images",
        "lead": "Somebody shares medical images with you. Opening them is recorded.",
        "pin": "PIN",
        "hint": "Told to you by another way than the link. Leave it empty if there was none.",
        "open": "Open",
        "refused": "The link is not valid any more, or the PIN is wrong. Ask whoever gave it to you for a new one.",
    },
    "zh": {
        "title": "共享影像",
        "lead": "有人与您共享医学影像。打开时会留下记录。",
        "pin": "PIN 码",
        "hint": "由共享者通过其他途径告知；如未告知，请留空。",
        "open": "打开",
        "refused": "链接已失效，或 PIN 码有误。请向共享者索取新的链接。",
    },
}


class LinkAsked(Asked):
    """Which studies are shared, for how long, and how."""

    studies: Annotated[list[str], Meta(min_length=1, max_length=50)]
    days: Annotated[float, Meta(gt=0, le=90)] = 7.0
    label: Annotated[str, Meta(max_length=200)] = ""
    pin: Annotated[str, Meta(max_length=32, description="Empty: none.")] = ""
    max_opens: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    download: bool = False


class LinkMade(Shape):
    """The link's address: shown once, kept nowhere."""

    id: int
    path: str
    url: Annotated[str, Meta(description="The whole address, as the recipient opens it.")]
    qr: Annotated[str, Meta(description="The address as a QR code, an SVG picture.")]


class Link(Shape):
    """A link as listed: never its address."""

    id: int
    studies: list[str]
    label: str
    has_pin: bool
    download: bool
    max_opens: int | None
    opens: int
    made_by: str
    made_at: Moment
    expires_at: Moment
    revoked_at: Moment | None


class LinkList(Shape):
    """One's own links; a security officer sees everybody's."""

    links: list[Link]


class Shares:
    """The handlers of the API."""

    def __init__(self, services: WebServices) -> None:
        self._keeping = services.keeping
        self._retrieve = services.retrieve
        self._most_bytes = services.settings.web.max_json_bytes
        self._public_url = services.settings.web.public_url

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/shares", self.show),
            Route("/api/v1/shares", self.make, methods=["POST"]),
            Route("/api/v1/shares/{pk:int}", self.revoke, methods=["DELETE"]),
        ]

    @operation("List share links", tag="shares", returns=LinkList)
    async def show(self, request: Request) -> Response:
        links = [_link(row) for row in await _use(self._keeping).shares.made(who(request))]
        return answer(LinkList(links=links))

    @operation(
        "Make a share link",
        tag="shares",
        body=LinkAsked,
        returns=LinkMade,
        status=201,
        errors=[404, 422],
        permission=Action.SHARE,
        secret=True,
    )
    async def make(self, request: Request) -> Response:
        asked = await body_of(request, LinkAsked, most_bytes=self._most_bytes)
        asking = who(request)
        items = await self._retrieve.locate(asking, studies=asked.studies)
        wanted = ShareAsked(
            studies=tuple(asked.studies),
            lasts=timedelta(days=asked.days),
            label=asked.label,
            pin=asked.pin,
            max_opens=asked.max_opens,
            download=asked.download,
        )
        pk, secret = await _use(self._keeping).shares.make(asking, wanted, sorted({item.study_uid for item in items}))
        path = f"/share/{secret}"
        url = site_address(request, self._public_url) + path
        return answer(LinkMade(id=pk, path=path, url=url, qr=qr_svg(url)), 201)

    @operation("End a share link", tag="shares", errors=[404])
    async def revoke(self, request: Request) -> Response:
        await _use(self._keeping).shares.revoke(who(request), request.path_params["pk"])
        return nothing()


class ShareDoor:
    """The page behind a link: a PIN if there is one, then the viewer."""

    def __init__(self, services: WebServices) -> None:
        self._keeping = services.keeping
        self._settings = services.settings

    def routes(self) -> list[Route]:
        return [Route("/share/{secret}", self.page), Route("/share/{secret}", self.open, methods=["POST"])]

    async def page(self, request: Request) -> Response:
        """A form: opening counts, so that no preview of the address in a message uses it up."""
        return self._form(request)

    async def open(self, request: Request) -> Response:
        """Open, and go to the viewer."""
        text = (await whole(request, most_bytes=MAX_FORM_BYTES)).decode("utf-8", "replace")
        pin = parse_qs(text, max_num_fields=5).get("pin", [""])[0]
        try:
            opened = await _use(self._keeping).shares.open(request.path_params["secret"], pin)
        except ShareRefused:
            return self._form(request, error=True)
        target = f"/viewer/viewer?StudyInstanceUIDs={','.join(opened.studies)}"
        response = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        secure = request.url.scheme == "https" or self._settings.web.public_url.startswith("https:")
        response.set_cookie(
            GUEST_COOKIE,
            opened.cookie,
            path="/",
            httponly=True,
            samesite="lax",
            secure=secure,
            expires=opened.expires_at,
        )
        return response

    def _form(self, request: Request, *, error: bool = False) -> Response:
        accepts = request.headers.get("accept-language", "")
        language = choose(request.query_params.get("lang", ""), "", accepts, self._settings.language)
        words = {key: html.escape(text) for key, text in _WORDS["zh" if language == "zh" else "en"].items()}
        message = f'<p class="error" role="alert">{words["refused"]}</p>' if error else ""
        page = (
            f'<!doctype html><html lang="{"zh-Hans" if language == "zh" else "en"}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta name="referrer" content="no-referrer"><title>{words["title"]} - Filmroom</title>'
            '<link rel="stylesheet" href="/static/login.css"><main><h1>'
            f'{words["title"]}</h1><p class="explain">{words["lead"]}</p>{message}'
            '<form method="post" autocomplete="off">'
            f'<label for="pin">{words["pin"]}</label>'
            '<input id="pin" name="pin" type="password" maxlength="32" autofocus aria-describedby="hint">'
            f'<p class="hint" id="hint">{words["hint"]}</p>'
            f"<button>{words['open']}</button></form></main></html>"
        )
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer", "vary": "accept-language"}
        body = moved(page.encode(), prefix_of(request.scope))
        return Response(body, 404 if error else 200, media_type="text/html", headers=headers)


def _use(keeping: Safekeeping | None) -> Safekeeping:
    if keeping is None:
        raise NotFound
    return keeping


def _link(row: Any) -> Link:
    values = {key: value for key, value in row.items() if key not in {"pk", "made_by"}}
    return Link(id=row["pk"], made_by=values.pop("made_by_name"), **values)
