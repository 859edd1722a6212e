"""Edits name the state they were made on: rules, policies and accounts are not overwritten unseen (RFC 9110 13.1.1)."""

from typing import Any

import pytest
from tests.fixtures.served import Served

pytestmark = pytest.mark.capability("5.2.1")

RULE = {"condition": "Modality = CT", "actions": [{"set": "InstitutionName", "value": "General"}]}


@pytest.mark.parametrize(
    ("address", "first", "second"),
    [
        ("/api/v1/rules/coercion/name", RULE, {**RULE, "priority": 5}),
        ("/api/v1/store-policies/CT1/*", {"policy": {"missing_id": "reject"}}, {"policy": {}}),
    ],
)
async def test_a_change_on_a_state_that_is_past_is_refused(
    served: Served, address: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    client = served.client
    assert (await client.get(address)).status_code == 404
    assert (await client.put(address, json=first)).status_code == 200
    seen = (await client.get(address)).headers["etag"]
    changed = await client.put(address, json=second, headers={"if-match": seen})
    assert changed.status_code == 200
    late = await client.put(address, json=first, headers={"if-match": seen})
    assert late.status_code == 412
    assert (await client.get(address)).headers["etag"] == changed.headers["etag"] != seen


async def test_an_account_is_changed_on_the_state_that_was_seen(served: Served) -> None:
    client, address = served.client, "/api/v1/accounts/lee"
    await client.post("/api/v1/accounts", json={"name": "lee", "roles": ["viewer"]})
    first = await client.get(address)
    assert first.json()["id"].startswith("person:")
    seen = {"if-match": first.headers["etag"]}
    assert (await client.patch(address, json={"display_name": "Lee"}, headers=seen)).status_code == 200
    assert (await client.patch(address, json={"roles": ["resident"]}, headers=seen)).status_code == 412
    assert (await client.get(address)).json()["roles"] == ["viewer"]
