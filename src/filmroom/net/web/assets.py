"""The few files that the server's own pages need: part of the package, held in memory."""

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from filmroom.base.errors import NotFound

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def text_asset(name: str) -> str:
    """The text of one file."""
    return resources.files("filmroom.net.web").joinpath("static", name).read_text(encoding="utf-8")


class Assets:
    """``/static/``."""

    def __init__(self) -> None:
        folder = resources.files("filmroom.net.web").joinpath("static")
        self._files = {
            each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in _TYPES
        }

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            raise NotFound
        return self._answer(name)

    async def icon(self, request: Request) -> Response:
        return self._answer("mark.svg")

    def _answer(self, name: str) -> Response:
        media = _TYPES[name.rpartition(".")[2]]
        return Response(self._files[name], media_type=media, headers={"cache-control": "public, max-age=3600"})
