"""The web application: routes behind the door, answers with their headers."""

import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from filmroom.net.web.api.routes import Api
from filmroom.net.web.api.shares import ShareDoor
from filmroom.net.web.assets import Assets
from filmroom.net.web.dicomweb import routes as dicomweb
from filmroom.net.web.dicomweb.commitment import WebCommitment
from filmroom.net.web.dicomweb.ups import CHANNEL, UpsRs
from filmroom.net.web.dicomweb.ups_channel import EventChannel
from filmroom.net.web.door import Door
from filmroom.net.web.drain import Drained
from filmroom.net.web.errors import HANDLERS
from filmroom.net.web.headers import SecurityHeaders
from filmroom.net.web.health import Health
from filmroom.net.web.login import Login
from filmroom.net.web.login_factors import LoginFactors
from filmroom.net.web.login_oidc import LoginOidc
from filmroom.net.web.oidc import OidcProvider
from filmroom.net.web.pace import SlowGuessing
from filmroom.net.web.ports import WebServices
from filmroom.net.web.proxies import Forwarded
from filmroom.net.web.refusals import Refusals
from filmroom.net.web.repeats import OnlyOnce
from filmroom.net.web.site import Site
from filmroom.net.web.viewer import ViewerConfig
from filmroom.net.web.viewer_launch import Launch

# In a checkout the built sites stand beside ``src``; an installed package carries them inside.
_HERE = Path(__file__).resolve()
_PLACES = (_HERE.parents[4], _HERE.parent / "sites")


class _Key(IntegerConvertor):
    """A number in an address, as long as the database's keys are: a longer one is no address of ours (404)."""

    regex = "[0-9]{1,18}"


register_url_convertor("int", _Key())


def build_app(services: WebServices) -> ASGIApp:
    """Everything that HTTP reaches."""
    settings = services.settings
    providers = {name: OidcProvider(name, each, services.clock) for name, each in settings.people.oidc.items()}
    login = Login(services.people, settings.web, settings.people, language=settings.language, providers={**providers})
    health = Health(services.checks)
    assets = Assets()
    viewer, console = Site(_place("viewer")), Site(_place("console"), moving=frozenset({".html", ".js", ".css"}))

    launch = Launch(services.query)

    async def home(_: Request) -> Response:
        return RedirectResponse("/console/" if console.built else "/viewer/", 303)

    api = Api(services).routes()
    application = Starlette(
        routes=[
            *dicomweb.routes(services),
            *workflow_routes(services),
            Route("/viewer/iid", launch.open),
            Route("/viewer", launch.open_or_home),
            Route("/viewer/app-config.js", ViewerConfig(language=settings.language).script),
            Route("/viewer/{path:path}", viewer.file),
            Route("/console/{path:path}", console.file),
            *api,
            Route("/", home),
            Route("/healthz", health.alive),
            Route("/readyz", health.ready),
            *login.routes(),
            *ShareDoor(services).routes(),
            *LoginFactors(services.people, settings.web, login).routes(),
            *LoginOidc(services.people, settings.web, login, providers).routes(),
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
    if services.keeping is not None:
        inner = Refusals(inner, services.keeping)
    guarded = Door(
        inner,
        people=services.people,
        clock=services.clock,
        public_url=settings.web.public_url,
        guests=services.keeping.shares if services.keeping is not None else None,
    )
    outer = Drained(SecurityHeaders(SlowGuessing(guarded, time.monotonic)))
    return Forwarded(outer, settings.web.trusted_proxies, settings.web.public_url)


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
