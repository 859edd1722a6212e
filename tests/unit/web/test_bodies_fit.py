"""Values against the shape they must have: every fault at once, each with its place."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta
from starlette.requests import Request

from filmroom.net.web.api.describe import Asked
from filmroom.net.web.bodies import fit, query_of
from filmroom.net.web.errors import Unfit


class Thing(Asked):
    """A thing."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    names: Annotated[list[str], Meta(max_length=9)] | None = None
    kind: Literal["a", "b"] = "a"
    wait: float = 0


def asking(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


def test_what_fits_is_taken_with_defaults() -> None:
    thing = fit({"port": 104}, Thing)
    assert (thing.port, thing.names, thing.kind) == (104, None, "a")


def test_every_field_at_fault_is_named_by_its_json_pointer() -> None:
    with pytest.raises(Unfit) as fault:
        fit({"port": 0, "names": ["x", 1], "kind": "c", "a/b": 1}, Thing)
    assert [each.pointer for each in fault.value.misfits] == ["/a~1b", "/kind", "/names/1", "/port"]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(Unfit) as fault:
        fit({}, Thing)
    assert fault.value.misfits == [("/port", "must be given")]


def test_true_is_no_number() -> None:
    with pytest.raises(Unfit):
        fit({"port": True}, Thing)


def test_parameters_are_read_as_their_types() -> None:
    thing = query_of(asking("port=104&names=a,b&names=c&wait=1.5"), Thing)
    assert (thing.port, thing.names, thing.wait) == (104, ["a", "b", "c"], 1.5)


@pytest.mark.parametrize("query", ["port=x", "port=1&port=2", "port=1&other=2", "", "port=99999999999999999999999"])
def test_parameters_that_do_not_fit_are_refused(query: str) -> None:
    with pytest.raises(Unfit):
        query_of(asking(query), Thing)
