"""Headers that every answer carries, by the part of the site it belongs to. Pure ASGI: one dictionary look-up a
request."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

_COMMON: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
# Whoever came over TLS comes so for the next year (RFC 6797); over plain HTTP the header means nothing.
_HSTS = (b"strict-transport-security", b"max-age=31536000")
# Isolation makes SharedArrayBuffer available to the viewer; it would break sign-in pop-ups, so only there.
_ISOLATED: Headers = [
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# The viewer's codecs are WebAssembly in blob workers, its bundler evaluates strings, its styles are inline; a PDF is an
# object of the page.
_VIEWER_CSP = (
    b"default-src 'self'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' 'unsafe-inline' blob:; "
    b"worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    b"connect-src 'self' blob: data:; media-src 'self' blob:; object-src 'self' blob:; frame-src 'self' blob:; "
    b"base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_PAGE_CSP = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The console's components write their own style elements.
_CONSOLE_CSP = _PAGE_CSP.replace(b"style-src 'self'", b"style-src 'self' 'unsafe-inline'; font-src 'self' data:")
# Data is never a page: were it opened as one, nothing in it would run.
_DATA_CSP = b"default-src 'none'; frame-ancestors 'self'; sandbox"
# A report as a page carries its style with it; nothing runs in it and nothing leaves it.
_REPORT_CSP = b"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'; sandbox"
# The browser shows a PDF by a page of its own, which no sandbox lets in; what a PDF asks for from elsewhere is refused.
_PDF_CSP = b"default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'"

_CSP = b"content-security-policy"
VIEWER = [*_COMMON, *_ISOLATED, (_CSP, _VIEWER_CSP)]
DICOMWEB = [*_COMMON, *_ISOLATED, (_CSP, _DATA_CSP)]
API = [*_COMMON, (_CSP, _DATA_CSP)]
CONSOLE = [*_COMMON, (_CSP, _CONSOLE_CSP)]
PAGE = [*_COMMON, (_CSP, _PAGE_CSP)]

_BY_MEDIA_TYPE = {
    # Not isolated: in its sandbox everything of ours, the icon too, would count as another site's.
    b"text/html": [*_COMMON, (b"cross-origin-resource-policy", b"same-origin"), (_CSP, _REPORT_CSP)],
    b"application/pdf": [*_COMMON, *_ISOLATED, (_CSP, _PDF_CSP)],
}
_BY_FIRST_PART = {
    "viewer": VIEWER,
    "console": CONSOLE,
    "dicom-web": DICOMWEB,
    "wado": DICOMWEB,
    "api": API,
    "fhir": API,
}


class SecurityHeaders:
    """Add the headers of the part of the site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        extra = _BY_FIRST_PART.get(scope["path"].split("/", 2)[1] if "/" in scope["path"] else "", PAGE)

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = _BY_MEDIA_TYPE.get(_media_type(message["headers"]), extra) if extra is DICOMWEB else extra
                secure = [_HSTS] if scope.get("scheme") == "https" else []
                message["headers"] = [*message["headers"], *own, *secure]
            await send(message)

        await self._app(scope, receive, send_with)


def _media_type(headers: Headers) -> bytes:
    """The Content-Type without its parameters."""
    found = next((value for name, value in headers if name == b"content-type"), b"")
    return found.partition(b";")[0].strip().lower()
