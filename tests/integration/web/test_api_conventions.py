"""What every resource of the API does alike."""

import asyncio

import pytest
from tests.fixtures.served import PASSWORD, Served

from filmroom.net.web.pace import BURST
from filmroom.security.principals import SYSTEM


@pytest.mark.capability("5.2.1")
async def test_values_that_do_not_fit_are_all_named(served: Served) -> None:
    answer = await served.client.put("/api/v1/devices/CT1", json={"port": 0, "description": 1, "colour": "red"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    places = [each["pointer"] for each in answer.json()["errors"]]
    assert {"/colour", "/description", "/host", "/port"} <= set(places)


async def test_a_wrong_method_says_which_are_right(served: Served) -> None:
    answer = await served.client.patch("/api/v1/tokens", json={})
    assert answer.status_code == 405
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "POST"}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_media_type_is_looked_at_first(served: Served) -> None:
    form = await served.client.post("/api/v1/tokens", data={"label": "x"})
    unclear = await served.client.post("/api/v1/tokens", content=b"{", headers={"content-type": "application/json"})
    assert [form.status_code, unclear.status_code] == [415, 400]


@pytest.mark.capability("5.2.1")
async def test_the_document_and_its_page_are_served(served: Served) -> None:
    document = await served.client.get("/api/v1/openapi.json")
    assert document.json()["openapi"] == "3.1.0"
    page = await served.client.get("/docs/api")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert (await served.client.get("/static/reference.css")).status_code == 200
    async with served.stranger() as stranger:
        assert (await stranger.get("/api/v1/openapi.json")).status_code == 401


@pytest.mark.capability("5.2.1")
async def test_a_post_with_a_key_is_done_once(served: Served) -> None:
    study, _ = await served.stored()
    await served.client.put("/api/v1/devices/FAR", json={"host": "127.0.0.1", "port": 1})
    order = {"to": "FAR", "studies": [study.uid]}
    key = {"idempotency-key": "monday-1"}
    answers = await asyncio.gather(
        *(served.client.post("/api/v1/deliveries", json=order, headers=key) for _ in range(4))
    )
    made = [each for each in answers if each.status_code == 201]
    assert made
    assert all(each.status_code in {201, 409} for each in answers)
    assert len({each.json()["id"] for each in made}) == 1
    again = await served.client.post("/api/v1/deliveries", json=order, headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.headers["location"] == made[0].headers["location"]
    assert again.content == made[0].content
    other = await served.client.post("/api/v1/deliveries", json={**order, "reason": "x"}, headers=key)
    assert other.status_code == 422
    assert len((await served.client.get("/api/v1/deliveries")).json()["deliveries"]) == 1


async def test_a_key_belongs_to_whoever_sent_it(served: Served) -> None:
    study, _ = await served.stored()
    await served.client.put("/api/v1/devices/FAR", json={"host": "127.0.0.1", "port": 1})
    await served.services.accounts.add(SYSTEM, "rita", roles=["radiologist"], password=PASSWORD)
    token = await served.services.tokens.issue(SYSTEM, "rita")
    order, key = {"to": "FAR", "studies": [study.uid]}, {"idempotency-key": "k"}
    mine = await served.client.post("/api/v1/deliveries", json=order, headers=key)
    async with served.stranger(headers={"authorization": f"Bearer {token}"}) as rita:
        hers = await rita.post("/api/v1/deliveries", json=order, headers=key)
    assert (mine.status_code, hers.status_code) == (201, 201)
    assert mine.json()["id"] != hers.json()["id"]


async def test_an_answer_that_holds_a_secret_is_not_repeated(served: Served) -> None:
    answer = await served.client.post("/api/v1/tokens", json={}, headers={"idempotency-key": "k"})
    assert answer.status_code == 400
    assert (await served.client.post("/api/v1/tokens", json={})).status_code == 201


async def test_a_change_on_a_stale_state_is_refused(served: Served) -> None:
    address = "/api/v1/destinations/FAR"
    await served.client.put(address, json={"associations": 2})
    seen = await served.client.get(address)
    tag = {"if-match": seen.headers["etag"]}
    assert (await served.client.get(address, headers={"if-none-match": seen.headers["etag"]})).status_code == 304
    first = await served.client.put(address, json={"associations": 3}, headers=tag)
    assert (first.status_code, first.json()["associations"]) == (200, 3)
    second = await served.client.put(address, json={"associations": 4}, headers=tag)
    assert second.status_code == 412
    third = await served.client.put(address, json={"associations": 4}, headers={"if-match": first.headers["etag"]})
    assert third.status_code == 200


async def test_a_list_is_read_page_by_page(served: Served) -> None:
    study, _ = await served.stored()
    await served.client.put("/api/v1/devices/FAR", json={"host": "127.0.0.1", "port": 1})
    for _ in range(5):
        await served.client.post("/api/v1/deliveries", json={"to": "FAR", "studies": [study.uid]})
    address, seen = "/api/v1/deliveries?limit=2&to=FAR", []
    while address:
        page = (await served.client.get(address)).json()
        seen += [each["id"] for each in page["deliveries"]]
        address = page["next"]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


@pytest.mark.capability("6.3.1")
async def test_an_address_that_keeps_guessing_is_turned_away(served: Served) -> None:
    async with served.stranger(headers={"authorization": "Bearer fr_wrong"}) as guessing:
        answers = [await guessing.get("/api/v1/me") for _ in range(2 * BURST)]  # some are forgiven meanwhile
    assert {each.status_code for each in answers[:BURST]} == {401}
    refused = answers[-1]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1


async def test_the_status_tells_figures_to_administrators_only(served: Served) -> None:
    await served.stored(count=2)
    told = (await served.client.get("/api/v1/status")).json()
    assert told["detail"]["database_bytes"] > 0
    assert told["detail"]["last_seq"] >= 1
    assert {"studies", "instances"} <= told["detail"]["counts"].keys()
    await served.services.accounts.add(SYSTEM, "vera", roles=["viewer"], password=PASSWORD)
    async with served.stranger(auth=("vera", PASSWORD)) as vera:
        assert (await vera.get("/api/v1/status")).json()["detail"] is None


async def test_a_number_beyond_any_key_is_no_address(served: Served) -> None:
    for place in ("jobs", "tokens", "quarantine"):
        answer = await served.client.delete(f"/api/v1/{place}/{10**25}")
        assert answer.status_code == 404, place
