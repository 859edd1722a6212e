"""Devices, callers, our AE titles and open associations over the API."""

import pytest

from filmroom.db.pool import Database
from filmroom.wire.ul.pdu import Abort, AssociateRj
from fixtures.admitted import eventually, open_hospital
from fixtures.dimse_wire import associated, call, connected, request
from fixtures.served import Served

CT1 = "/api/v1/devices/CT1"


@pytest.mark.capability("1.0.1")
async def test_a_device_is_made_read_patched_and_removed(served: Served) -> None:
    client = served.client
    policy = {"services": ["echo", "store"], "duplicates": {"kept": "untouched"}}
    made = await client.put(CT1, json={"host": "ct1.example", "port": 104, "policy": policy})
    assert (made.status_code, made.json()["policy"]) == (200, policy)
    read = await client.get(CT1)
    assert read.headers["etag"] == made.headers["etag"]
    assert (await client.get(CT1, headers={"if-none-match": read.headers["etag"]})).status_code == 304
    patch = {"policy": {"services": None, "as_received": True}, "site": "North"}
    patched = await client.patch(CT1, json=patch, headers={"if-match": read.headers["etag"]})
    assert patched.json()["policy"] == {"duplicates": {"kept": "untouched"}, "as_received": True}
    stale = await client.patch(CT1, json={"site": "South"}, headers={"if-match": read.headers["etag"]})
    assert stale.status_code == 412
    assert (await client.put(CT1, json={"host": "a", "port": 1}, headers={"if-none-match": "*"})).status_code == 412
    assert (await client.put(CT1, json={"host": "a", "port": 1})).json()["policy"]["as_received"]
    journal = (await client.get(CT1 + "/changes")).json()["changes"]
    assert [each["action"] for each in journal] == ["device.changed", "device.changed", "device.registered"]
    assert journal[0]["who"].startswith("person:")
    assert (await client.delete(CT1)).status_code == 204
    assert (await client.get(CT1)).status_code == 404
    assert (await client.patch(CT1, json={})).status_code == 404


@pytest.mark.capability("1.0.1")
async def test_what_is_wrong_is_named_with_pointers(served: Served) -> None:
    body = {"host": "ct1", "port": 0, "policy": {"services": ["echo", "fly"], "colour": 1}}
    found = await served.client.put(CT1, json=body)
    assert (found.status_code, found.headers["content-type"]) == (422, "application/problem+json")
    assert [each["pointer"] for each in found.json()["errors"]] == ["/policy/colour", "/policy/services/1", "/port"]


@pytest.mark.capability("1.0.2")
async def test_our_own_titles(served: Served) -> None:
    client, one = served.client, "/api/v1/local-aes/READING"
    made = await client.put(one, json={"policy": {"read_only": True}})
    assert (made.status_code, made.json()["stored"]) == (200, True)
    listed = (await client.get("/api/v1/local-aes")).json()["local_aes"]
    assert [(each["ae_title"], each["stored"]) for each in listed] == [("FILMROOM", False), ("READING", True)]
    assert (await client.patch(one, json={"policy": {"max_age_days": 0}})).status_code == 422
    etag = made.headers["etag"]
    assert (await client.patch(one, json={"enabled": False}, headers={"if-match": etag})).status_code == 200
    assert (await client.delete(one, headers={"if-match": etag})).status_code == 412
    assert (await client.delete(one)).status_code == 204
    assert (await client.get(one)).status_code == 404


@pytest.mark.capability("1.0.9", "7.1.3")
async def test_a_refused_modality_is_seen_approved_watched_and_cut_off(database: Database, served: Served) -> None:
    client = served.client
    async with open_hospital(database) as hospital:
        async with connected(hospital.port) as peer:
            assert await call(peer, request(calling="CT9")) == AssociateRj(1, 1, 3)

        async def seen() -> object:
            return (await client.get("/api/v1/callers")).json()["callers"]

        (row,) = await eventually(seen)
        assert (row["calling_ae"], row["reason"], row["approvable"]) == ("CT9", "calling-ae-unknown", True)
        assert row["todo"].startswith("Approve it")
        approve = f"/api/v1/callers/{row['id']}/approve"
        assert (await client.post(approve, json={"port": "x"})).status_code == 422
        approved = await client.post(approve, json={"port": 11112, "description": "Room 9"})
        assert (approved.status_code, approved.json()["description"]) == (200, "Room 9")
        assert (await client.post(approve, json={})).status_code == 404
        hospital.devices._cache.clear()
        async with associated(hospital.port, request(calling="CT9")) as peer:

            async def live() -> object:
                return (await client.get("/api/v1/associations")).json()["associations"]

            (one,) = await eventually(live)
            assert (one["calling_ae"], one["inbound"], one["peer"]) == ("CT9", True, "127.0.0.1")
            assert (await client.delete(f"/api/v1/associations/{one['id']}")).status_code == 204
            assert isinstance(await peer.pdu(), Abort)
            assert (await client.delete(f"/api/v1/associations/{one['id']}")).status_code == 404


async def test_a_called_title_that_is_wrong_cannot_be_approved(database: Database, served: Served) -> None:
    async with open_hospital(database) as hospital:
        async with connected(hospital.port) as peer:
            await call(peer, request(calling="CT9", called="PACS"))

        async def seen() -> object:
            return (await served.client.get("/api/v1/callers")).json()["callers"]

        (row,) = await eventually(seen)
        refused = await served.client.post(f"/api/v1/callers/{row['id']}/approve", json={})
        assert (refused.status_code, "filmroom ae add" in refused.json()["detail"]) == (409, True)
        assert (await served.client.post(f"/api/v1/callers/{row['id']}/dismiss")).status_code == 204
        assert await seen() == []
        dismissed = await served.client.get("/api/v1/callers", params={"state": "dismissed"})
        assert len(dismissed.json()["callers"]) == 1
