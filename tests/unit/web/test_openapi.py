"""The API's own document: complete, valid, and what its handlers promise."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.routing import Route
from tools.docs import api

from filmroom.base.facts import Fact
from filmroom.net.web.api.describe import promise_of
from filmroom.net.web.api.openapi import described, document, operation_id
from filmroom.net.web.api.reference import page


@pytest.fixture(scope="module")
def routes() -> Sequence[Route]:
    return api.routes()


@pytest.mark.capability("5.2.1")
def test_every_operation_below_api_v1_is_described(routes: Sequence[Route]) -> None:
    missing = [
        f"{sorted(route.methods or ())} {route.path}"
        for route in routes
        if route.path.startswith("/api/") and promise_of(route.endpoint) is None
    ]
    assert missing == []


def test_each_operation_has_a_name_of_its_own(routes: Sequence[Route]) -> None:
    names = [operation_id(name) for _, _, _, name in described(routes)]
    assert sorted(names) == sorted(set(names))


def test_names_are_snake_case(routes: Sequence[Route]) -> None:
    for name, schema in document(routes)["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert field == field.lower(), f"{name}.{field}"
            assert "-" not in field, f"{name}.{field}"


def test_the_same_routes_give_the_same_document(routes: Sequence[Route]) -> None:
    assert document(routes) == document(routes)


def test_the_reference_page_links_only_to_what_is_on_it(routes: Sequence[Route]) -> None:
    whole = "".join(page(document(routes)))
    anchors = {part.split('"')[0] for part in whole.split('id="')[1:]}
    targets = {part.split('"')[0] for part in whole.split('href="#')[1:]}
    assert targets <= anchors
    assert "<script" not in whole


@pytest.mark.capability("5.2.1")
def test_the_client_has_a_function_for_each_operation_and_a_type_for_each_shape(routes: Sequence[Route]) -> None:
    made = document(routes)
    text = api.client(made)
    operations = [each for methods in made["paths"].values() for each in methods]
    assert text.count("call<") + text.count("Address: (") == len(operations)
    for name in made["components"]["schemas"]:
        assert f"export interface {name} " in text or f"export type {name} " in text


def test_every_fact_is_in_the_table() -> None:
    table = next(text for path, text in api.pages(Path()).items() if path == api.FACTS)
    assert {f"| `{kind.__name__}`" for kind in Fact.__subclasses__() if kind.__module__ == Fact.__module__} <= {
        line[: line.index(" |", 2)] for line in table.splitlines() if line.startswith("| `")
    }
