"""The OpenAPI 3.1 document of ``/api/v1``, made from the routes and the promises of their handlers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom import __version__
from filmroom.net.web.api.describe import JSON, Operation, Shape, operation, promise_of
from filmroom.net.web.errors import TITLES

PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{name}"
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
_KINDS: Mapping[str, Mapping[str, object]] = {"int": {"type": "integer", "minimum": 0}}
_TAKE_KEYS = frozenset({"post"})
_CHANGES = frozenset({"put", "patch", "delete"})

ABOUT = """Everything that the console does, for programs.

**Who.** A bearer token (`POST /api/v1/tokens`) or a browser session. What may not be seen is not there (404).

**Errors** are problem+json (RFC 9457); values that cannot be used are listed in `errors`, each with a JSON pointer.

**Names** are snake_case, times RFC 3339 with their zone.

**Pages.** A list has `next`: the address of the next page, or null. It holds no number of a page but the place where
the last one ended, so nothing is skipped or shown twice when rows come and go.

**Repeats.** A POST with an `Idempotency-Key` (up to 200 characters) is done once: for 24 hours the same key gets the
same answer again (`Idempotency-Replayed: true`); with another body it is refused (422), while the first still runs it
conflicts (409).

**Changes.** Where an answer has an ETag, a change may carry it in If-Match; when the resource was changed since, 412.

**Too fast.** 429 says in Retry-After when to come again.
"""


class Problem(Shape):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list["ProblemValue"] | None = None


class ProblemValue(Shape):
    """A value that cannot be used: a JSON pointer into the body, or the name of a parameter, and why not."""

    pointer: str
    detail: str


def described(routes: Iterable[Route]) -> list[tuple[str, str, Operation, str]]:
    """Each operation as (path, method, promise, ``Class.handler``), those without a promise left out."""
    found = []
    for route in routes:
        promise = promise_of(route.endpoint)
        if promise is None:
            continue
        for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
            name = getattr(route.endpoint, "__qualname__", "")
            found.append((route.path, method.lower(), promise, name))
    return found


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document; the same routes give the same bytes."""
    operations = described(routes)
    types: list[Any] = [Problem]
    for _, _, promise, _ in operations:
        types += [kind for kind in (promise.body, promise.returns) if kind is not None]
        types += [field.type for field in _fields(promise)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for path, method, promise, name in operations:
        paths.setdefault(_PARAMETER.sub(r"{\1}", path), {})[method] = _operation(path, method, promise, name, of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Filmroom", "version": __version__, "description": ABOUT, "license": _LICENSE},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": tag} for tag in sorted({promise.tag for _, _, promise, _ in operations})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "filmroom"},
            },
        },
    }


_LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


class OpenApi:
    """``/api/v1/openapi.json``."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._others = routes
        self._document: dict[str, Any] = {}
        self._bytes = b""

    def routes(self) -> list[Route]:
        return [Route("/api/v1/openapi.json", self.show)]

    @operation("This API as an OpenAPI 3.1 document", tag="about", returns=dict[str, Any])
    async def show(self, request: Request) -> Response:
        if not self._bytes:
            self._bytes = orjson.dumps(self.document())
        return Response(self._bytes, media_type=JSON, headers={"cache-control": "no-cache"})

    def document(self) -> dict[str, Any]:
        """The document; made once."""
        if not self._document:
            self._document = document([*self._others, *self.routes()])
        return self._document


def resource_of(name: str) -> str:
    """The resource that ``Class.handler`` belongs to, in snake_case: the class's name."""
    return _HUMP.sub("_", name.rpartition(".")[0].rpartition(".")[2]).lower()


def operation_id(name: str) -> str:
    """Unique over the API: the resource, and what is done with it."""
    return f"{resource_of(name)}_{name.rpartition('.')[2]}"


def _operation(path: str, method: str, promise: Operation, name: str, of: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": operation_id(name), "summary": promise.summary}
    found["x-resource"] = resource_of(name)
    texts = [promise.text] if promise.text else []
    if promise.permissions:
        names = [each.value for each in promise.permissions]
        texts.append(f"Needs the permission {' or '.join(f'`{name}`' for name in names)}.")
        found["x-permission"] = names[0] if len(names) == 1 else names
    if texts:
        found["description"] = "\n\n".join(texts)
    found["tags"] = [promise.tag]
    parameters = [*_in_path(path), *_in_query(promise, of), *_in_headers(method, promise)]
    if parameters:
        found["parameters"] = parameters
    if promise.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": of[repr(promise.body)]}}}
    found["responses"] = _responses(promise, of)
    return found


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": dict(_KINDS.get(kind, {"type": "string"}))}
        for name, kind in _PARAMETER.findall(path)
    ]


def _fields(promise: Operation) -> tuple[msgspec.structs.FieldInfo, ...]:
    return () if promise.query is None else msgspec.structs.fields(promise.query)


def _in_query(promise: Operation, of: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for field in _fields(promise):
        schema = dict(of[repr(field.type)])
        text = schema.pop("description", "")
        if field.default not in {msgspec.NODEFAULT, None}:
            schema["default"] = field.default
        parameter: dict[str, Any] = {"name": field.encode_name, "in": "query", "required": field.required}
        if text:
            parameter["description"] = text
        found.append({**parameter, "schema": schema})
    return found


def _in_headers(method: str, promise: Operation) -> list[dict[str, Any]]:
    names = []
    if method in _TAKE_KEYS and not promise.secret:
        names.append("Idempotency-Key")
    if promise.tagged and method in _CHANGES:
        names.append("If-Match")
    return [{"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in names]


def _responses(promise: Operation, of: Mapping[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done"}
    if promise.returns is not None:
        good["content"] = {promise.media: {"schema": of[repr(promise.returns)]}}
    if promise.tagged:
        good["headers"] = {"ETag": {"schema": {"type": "string"}}}
    statuses = {401, *promise.errors}
    statuses |= {403} if promise.permissions else set()
    statuses |= {400, 413, 415, 422} if promise.body is not None else set()
    statuses |= {422} if promise.query is not None else set()
    statuses |= {412} if promise.tagged else set()
    problem = {"content": {PROBLEM: {"schema": of[repr(Problem)]}}}
    answers = {str(promise.status): good}
    answers |= {str(status): {"description": TITLES[status], **problem} for status in sorted(statuses)}
    return {**answers, "default": {"description": "Any other fault", **problem}}
