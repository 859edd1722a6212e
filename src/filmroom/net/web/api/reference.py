"""``/docs/api``: the API for readers, one light page made from its own document. No script, nothing from elsewhere."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.net.web.api.openapi import OpenApi
from filmroom.net.web.proxies import prefix_of
from filmroom.net.web.relocation import moved

_WORDS = {"minimum": "at least", "maximum": "at most", "maxLength": "characters at most", "default": "default"}
_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


class Reference:
    """The handler. Like everything behind the door it is for people who are signed in."""

    def __init__(self, openapi: OpenApi) -> None:
        self._openapi = openapi
        self._page = ""

    def routes(self) -> list[Route]:
        return [Route("/docs/api", self.show)]

    async def show(self, request: Request) -> Response:
        if not self._page:
            self._page = "".join(page(self._openapi.document()))
        return Response(
            moved(self._page.encode(), prefix_of(request.scope)),
            media_type="text/html",
            headers={"cache-control": "no-cache"},
        )


def page(document: Mapping[str, Any]) -> Iterator[str]:
    """The page in pieces."""
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((path, method, operation))
    title = f"{document['info']['title']} API {document['info']['version']}"
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>{_text(title)}</title><link rel="stylesheet" href="/static/reference.css">'
    yield '<link rel="icon" href="/static/mark.svg"></head><body><nav><ul>'
    yield "".join(f'<li><a href="#{tag}">{tag}</a></li>' for tag in sorted(by_tag))
    yield '<li><a href="#shapes">shapes</a></li></ul></nav><main>'
    yield f"<h1>{_text(title)}</h1>{_prose(document['info']['description'])}"
    yield '<p>For programs: <a href="/api/v1/openapi.json">openapi.json</a></p>'
    for tag, operations in sorted(by_tag.items()):
        yield f'<section id="{tag}"><h2>{tag}</h2>'
        for path, method, operation in operations:
            yield from _operation(path, method, operation)
        yield "</section>"
    yield '<section id="shapes"><h2>Shapes</h2>'
    for name, schema in document["components"]["schemas"].items():
        yield from _shape(name, schema)
    yield "</section></main></body></html>\n"


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<article id="{operation["operationId"]}"><h3><b class="{method}">{method.upper()}</b> '
    yield f"<code>{_text(path)}</code></h3><p>{_text(operation['summary'])}.</p>"
    yield _prose(operation.get("description", ""))
    if parameters := operation.get("parameters"):
        yield "<table>"
        for each in parameters:
            must = " *" if each["required"] else ""
            yield f"<tr><td><code>{each['name']}</code>{must}</td><td>{each['in']}</td>"
            yield f"<td>{_kind(each['schema'])}</td><td>{_prose(each.get('description', ''))}</td></tr>"
        yield "</table>"
    if body := operation.get("requestBody"):
        yield f"<p>Takes {_kind(_schema(body))}.</p>"
    answers = []
    for status, each in operation["responses"].items():
        if status == "default":
            continue
        good = status.startswith("2")
        answers.append(f"{status} {_kind(_schema(each)) if good and 'content' in each else _text(each['description'])}")
    yield f'<p class="answers">{" · ".join(answers)}</p></article>'


def _shape(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<article id="shape-{name}"><h3><code>{name}</code></h3>{_prose(schema.get("description", ""))}<table>'
    for field, each in schema.get("properties", {}).items():
        must = " *" if field in schema.get("required", ()) else ""
        yield f"<tr><td><code>{_text(field)}</code>{must}</td><td>{_kind(each)}</td>"
        yield f"<td>{_prose(each.get('description', ''))}</td></tr>"
    yield "</table></article>"


def _schema(content: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(iter(content["content"].values()))["schema"]
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#shape-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{_text(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items') or {})}"
    extra = [f"{word} {_text(str(schema[key]))}" for key, word in _WORDS.items() if schema.get(key) not in (None, "")]
    name = schema.get("format") or schema.get("type") or "anything"
    return _text(str(name)) + (f" ({', '.join(extra)})" if extra else "")


def _prose(text: str) -> str:
    marked = _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", _text(text.replace("``", "`"))))
    return "".join(f"<p>{part}</p>" for part in marked.split("\n\n") if part.strip())


def _text(text: str) -> str:
    return html.escape(text, quote=True)
