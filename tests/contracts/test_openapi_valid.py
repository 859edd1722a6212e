"""The API's document keeps to the contract of its own format."""

import pytest
from openapi_spec_validator import validate
from tools.docs import api

from filmroom.net.web.api.openapi import document


@pytest.mark.capability("5.2.1")
def test_the_document_is_valid_openapi_3_1() -> None:
    made = document(api.routes())
    assert made["openapi"] == "3.1.0"
    validate(made)
