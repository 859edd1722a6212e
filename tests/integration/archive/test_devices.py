"""The device registry on a real database."""

import pytest

from filmroom.archive.devices import DevicePolicy, Devices, NoSuchDevice
from filmroom.base.errors import Forbidden
from filmroom.base.ids import AeTitle, ae_title
from filmroom.db.pool import Database
from filmroom.security.principals import device as as_principal

CT1 = ae_title("CT1")


@pytest.mark.capability("1.0.1", "1.3.3")
async def test_a_device_is_registered_changed_and_forgotten(database: Database) -> None:
    devices = Devices(database)
    assert await devices.find("CT1") is None
    made = await devices.put(CT1, "ct1.example", 104, description="Room 3", policy=DevicePolicy(check_host=True))
    assert await devices.find("CT1") == made
    assert (made.host, made.port, made.enabled, made.policy.check_host) == ("ct1.example", 104, True, True)
    moved = await devices.put(CT1, "10.0.0.9", 11112)
    assert (moved.pk, moved.host, moved.policy) == (made.pk, "10.0.0.9", made.policy)
    assert [d.ae_title for d in await devices.list()] == ["CT1"]
    await devices.remove(CT1)
    assert await devices.find("CT1") is None
    with pytest.raises(NoSuchDevice):
        await devices.remove(CT1)


async def test_a_device_is_switched_off_and_on(database: Database) -> None:
    devices = Devices(database)
    await devices.put(CT1, "host", 104, description="Room 3")
    assert not (await devices.set_enabled(CT1, False)).enabled
    found = await devices.find("CT1")
    assert found is not None
    assert (found.enabled, found.description) == (False, "Room 3")
    with pytest.raises(NoSuchDevice):
        await devices.set_enabled(AeTitle("NONE"), True)


async def test_a_change_by_another_process_is_seen_within_the_cache_time(database: Database) -> None:
    now = [0.0]
    here, there = Devices(database, monotonic=lambda: now[0]), Devices(database)
    assert await here.find("CT1") is None
    await there.put(CT1, "host", 104)
    assert await here.find("CT1") is None
    now[0] = 1.5
    assert await here.find("CT1") is not None


async def test_a_device_may_not_register_devices(database: Database) -> None:
    with pytest.raises(Forbidden):
        await Devices(database).put(CT1, "host", 104, who=as_principal(CT1))
