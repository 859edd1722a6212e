"""The web application: routes behind the door, answers with their headers."""

import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from filmroom.net.web.api.routes import Api
from filmroom.net.web.assets import Assets
from filmroom.net.web.dicomweb import routes as dicomweb
from filmroom.net.web.dicomweb.commitment import WebCommitment
from filmroom.net.web.dicomweb.ups import CHANNEL, UpsRs
from filmroom.net.web.dicomweb.ups_channel import EventChannel
from filmroom.net.web.door import Door
from filmroom.net.web.errors import HANDLERS
from filmroom.net.web.headers import SecurityHeaders
from filmroom.net.web.health import Health
from filmroom.net.web.login import Login
from filmroom.net.web.pace import SlowGuessing
from filmroom.net.web.ports import WebServices
from filmroom.net.web.repeats import OnlyOnce
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

    api = Api(services).routes()
    application = Starlette(
        routes=[
            *dicomweb.routes(services),
            *workflow_routes(services),
            Route("/viewer/app-config.js", ViewerConfig(language=settings.language).script),
            Route("/viewer/{path:path}", viewer.file),
            Route("/console/{path:path}", console.file),
            *api,
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
    inner: ASGIApp = application
    if services.repeats is not None:
        inner = OnlyOnce(application, services.repeats, api, most_bytes=settings.web.max_json_bytes)
    guarded = Door(
        inner,
        accounts=services.accounts,
        sessions=services.sessions,
        tokens=services.tokens,
        clock=services.clock,
        public_url=settings.web.public_url,
    )
    return SecurityHeaders(SlowGuessing(guarded, time.monotonic))


def workflow_routes(services: WebServices) -> list[BaseRoute]:
    """Work items and storage commitment, where the archive has them."""
    web, found = services.settings.web, list[BaseRoute]()
    if services.workitems is not None and services.subscriptions is not None:
        found += UpsRs(services.workitems, services.subscriptions, web).routes()
        if services.tail is not None:
            found += EventChannel(services.subscriptions, services.tail).routes(CHANNEL)
    if services.web_commitments is not None:
        found += WebCommitment(services.web_commitments, web).routes()
    return found


async def _robots(_: Request) -> Response:
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


def _place(name: str) -> Path:
    return next((place / name / "dist" for place in _PLACES if (place / name).is_dir()), _PLACES[0] / name / "dist")
