"""Callers that were turned away, on a real database."""

import dataclasses
from collections.abc import AsyncIterator

import pytest

from filmroom.archive import devices_callers
from filmroom.archive.devices import DevicePolicy, Devices
from filmroom.archive.devices_callers import Attempt, CallerRow, Callers, NoSuchCaller, NotApprovable, Proposed, Reason
from filmroom.base.clock import SystemClock
from filmroom.base.errors import Forbidden
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM
from filmroom.security.principals import device as as_principal
from fixtures.admitted import eventually

CT = "1.2.840.10008.5.1.4.1.1.2"
UNKNOWN = Attempt(
    calling_ae="CT1",
    called_ae="FILMROOM",
    address="10.0.0.7",
    reason=Reason.CALLING_UNKNOWN,
    implementation_class="1.3.12.2.1107.5.1",
    implementation_version="SYNGO",
    proposal=(Proposed(CT, ("1.2.840.10008.1.2",)),),
    services=frozenset({"store", "commit"}),
)


@pytest.fixture
async def callers(database: Database) -> AsyncIterator[Callers]:
    made = Callers(database, Devices(database), SystemClock())
    yield made
    await made.stop()


async def pending(callers: Callers) -> list[CallerRow]:
    await callers.stop()
    return list(await callers.list(SYSTEM))


@pytest.mark.capability("7.1.3")
async def test_an_unknown_caller_is_listed_once_with_its_count(callers: Callers) -> None:
    for _ in range(3):
        callers.note(UNKNOWN)
    await until_listed(callers)
    callers.note(UNKNOWN)
    (row,) = await pending(callers)
    assert (row.calling_ae, row.address, row.attempts, row.vendor) == ("CT1", "10.0.0.7", 4, "Siemens Healthineers")
    assert (row.reason, list(row.services)) == (Reason.CALLING_UNKNOWN, ["commit", "store"])
    assert list(row.proposal) == list(UNKNOWN.proposal)
    assert row.first_seen < row.last_seen
    assert row.advice.approvable


async def until_listed(callers: Callers) -> None:
    async def some() -> bool:
        return bool(await callers.list(SYSTEM))

    await eventually(some)


@pytest.mark.capability("7.1.3")
async def test_approving_registers_what_the_call_suggests(database: Database, callers: Callers) -> None:
    callers.note(UNKNOWN)
    (row,) = await pending(callers)
    device = await callers.approve(SYSTEM, row.pk, changes={"site": "North"}, port=4242)
    assert (device.host, device.port, device.site) == ("10.0.0.7", 4242, "North")
    assert device.policy == DevicePolicy(services=frozenset({"echo", "store", "commit"}), check_host=True)
    assert await pending(callers) == []
    with pytest.raises(NoSuchCaller):
        await callers.approve(SYSTEM, row.pk)


@pytest.mark.capability("1.0.1", "7.1.3")
async def test_approving_mends_a_registered_device(database: Database, callers: Callers) -> None:
    devices = Devices(database)
    policy = DevicePolicy(services=frozenset({"echo"}), check_host=True)
    await devices.put(AeTitle("CT1"), "10.0.0.1", 104, policy=policy, enabled=False)
    for reason in (Reason.WRONG_ADDRESS, Reason.SERVICE_REFUSED, Reason.DEVICE_OFF):
        callers.note(dataclasses.replace(UNKNOWN, reason=reason))
    for row in await pending(callers):
        await callers.approve(SYSTEM, row.pk)
    device = await devices.get("CT1")
    assert device.enabled
    assert device.policy.addresses == ("10.0.0.1", "10.0.0.7")
    assert device.policy.services == {"echo", "store", "commit"}
    assert [each.action for each in await devices.changes(AeTitle("CT1"), who=SYSTEM)] == [
        "device.changed",
        "device.changed",
        "device.changed",
        "device.registered",
    ]


async def test_what_approving_cannot_mend_is_said(callers: Callers) -> None:
    callers.note(dataclasses.replace(UNKNOWN, reason=Reason.CALLED_UNKNOWN, called_ae="PACS"))
    (row,) = await pending(callers)
    with pytest.raises(NotApprovable, match="Correct the called AE title"):
        await callers.approve(SYSTEM, row.pk)


@pytest.mark.capability("7.1.3")
async def test_a_dismissed_caller_stays_dismissed(callers: Callers) -> None:
    callers.note(UNKNOWN)
    (row,) = await pending(callers)
    await callers.dismiss(SYSTEM, row.pk)
    callers.note(UNKNOWN)
    assert await pending(callers) == []
    (dismissed,) = await callers.list(SYSTEM, state="dismissed")
    assert dismissed.attempts == 2


@pytest.mark.capability("7.1.3")
async def test_a_flood_costs_neither_memory_nor_rows(
    database: Database, callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5000):
        callers.note(dataclasses.replace(UNKNOWN, calling_ae=f"X{number}"))
    assert len(callers._waiting) == devices_callers.MAX_WAITING
    assert len(await pending(callers)) == devices_callers.PER_ADDRESS
    monkeypatch.setattr(devices_callers, "MAX_KEPT", 25)
    for number in range(100):
        callers.note(dataclasses.replace(UNKNOWN, address=f"10.1.0.{number}"))
    await callers.stop()
    assert len(await callers.list(SYSTEM, most=500)) == 25


async def test_what_strangers_write_is_stored_harmlessly(callers: Callers) -> None:
    long = tuple(Proposed(f"1.2.{n}", ("1.2.3",) * 40) for n in range(128))
    callers.note(dataclasses.replace(UNKNOWN, calling_ae="A\0B", implementation_version="\x1b[31m", proposal=long))
    callers.note(dataclasses.replace(UNKNOWN, calling_ae="A\x01B"))
    (row,) = await pending(callers)
    assert (row.calling_ae, row.attempts, row.implementation_version) == ("A?B", 2, "?[31m")
    assert sum(1 + len(each.syntaxes) for each in row.proposal) <= devices_callers.MAX_UIDS


async def test_a_device_may_not_look_or_decide(callers: Callers) -> None:
    stranger = as_principal(AeTitle("CT1"))
    with pytest.raises(Forbidden):
        await callers.list(stranger)
    with pytest.raises(Forbidden):
        await callers.approve(stranger, 1)
    with pytest.raises(Forbidden):
        await callers.dismiss(stranger, 1)
