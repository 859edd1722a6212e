"""The web application: routes behind the door, answers with their headers."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from filmroom.net.web.api.routes import Api
from filmroom.net.web.assets import Assets
from filmroom.net.web.dicomweb import routes as dicomweb
from filmroom.net.web.door import Door
from filmroom.net.web.errors import HANDLERS
from filmroom.net.web.headers import SecurityHeaders
from filmroom.net.web.health import Health
from filmroom.net.web.login import Login
from filmroom.net.web.ports import WebServices
from filmroom.net.web.site import Site
from filmroom.net.web.viewer import ViewerConfig

# In a checkout the built sites stand beside ``src``; an installed package carries them inside.
_HERE = Path(__file__).resolve()
_PLACES = (_HERE.parents[4], _HERE.parent / "sites")


def build_app(services: WebServices) -> ASGIApp:
    """Everything that HTTP reaches."""
    settings = services.settings
    login = Login(services.accounts, services.sessions, settings.web, language=settings.language)
    health = Health(services.checks)
    assets = Assets()
    viewer, console = Site(_place("viewer")), Site(_place("console"))

    async def home(_: Request) -> Response:
        return RedirectResponse("/console/" if console.built else "/viewer/", 303)

    application = Starlette(
        routes=[
            *dicomweb.routes(services),
            Route("/viewer/app-config.js", ViewerConfig(language=settings.language).script),
            Route("/viewer/{path:path}", viewer.file),
            Route("/console/{path:path}", console.file),
            *Api(services).routes(),
            Route("/", home),
            Route("/healthz", health.alive),
            Route("/readyz", health.ready),
            Route("/login", login.page),
            Route("/login", login.sign_in, methods=["POST"]),
            Route("/logout", login.sign_out, methods=["POST"]),
            Route("/static/{name}", assets.file),
            Route("/favicon.ico", assets.icon),
            Route("/robots.txt", _robots),
        ],
        exception_handlers=HANDLERS,
    )
    application.router.redirect_slashes = False
    guarded = Door(
        application,
        accounts=services.accounts,
        sessions=services.sessions,
        tokens=services.tokens,
        clock=services.clock,
        public_url=settings.web.public_url,
    )
    return SecurityHeaders(guarded)


async def _robots(_: Request) -> Response:
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


def _place(name: str) -> Path:
    return next((place / name / "dist" for place in _PLACES if (place / name).is_dir()), _PLACES[0] / name / "dist")
