"""What may be asked of us and of devices, service by service."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from filmroom.archive.devices import SERVICES, Device, DevicePolicy, NotAsked
from filmroom.base.ids import AeTitle
from filmroom.net.dimse.models import AVAILABILITY, MODALITY_WORKLIST, MPPS, UPS_MODELS, UPS_PUSH
from filmroom.net.dimse.offers import offers, service_of
from filmroom.net.dimse.scp.ups import _guarded
from filmroom.net.dimse.scu import Peer
from filmroom.wire.dimse.messages import NActionRq, NCreateRq, NGetRq, NSetRq, Request

CLASSES = {MODALITY_WORKLIST: "worklist", MPPS: "mpps", AVAILABILITY: "ian", **dict.fromkeys(UPS_MODELS, "ups")}


@pytest.mark.parametrize(("sop_class", "service"), sorted(CLASSES.items()))
@pytest.mark.capability("1.0.1", "1.7.3")
def test_each_class_is_permitted_by_its_own_service_alone(sop_class: str, service: str) -> None:
    assert service_of(sop_class) == service
    only, without = DevicePolicy(services=frozenset({service})), DevicePolicy(services=SERVICES - {service})
    for policy, permitted in ((only, True), (without, False)):
        offer = offers(policy, accept_unknown=False)(sop_class)
        assert offer is not None
        assert offer.permitted is permitted


def _device(**policy: Any) -> Device:
    return Device(ae_title=AeTitle("CT1"), host="ct1", port=104, policy=DevicePolicy(**policy))


@pytest.mark.parametrize("service", sorted(SERVICES))
@pytest.mark.capability("1.0.1")
def test_a_device_is_asked_for_nothing_that_its_policy_does_not_have(service: str) -> None:
    assert Peer.of(_device(), None, service).ae_title == "CT1"
    with pytest.raises(NotAsked, match=service):
        Peer.of(_device(outgoing=SERVICES - {service}), None, service)


@pytest.mark.capability("1.3.3")
def test_where_a_device_can_be_reached() -> None:
    found = Peer.each_of(_device(failover=("ct2:105", "CTB@[::1]:106")), None)
    assert [(each.ae_title, each.host, each.port) for each in found] == [
        ("CT1", "ct1", 104),
        ("CT1", "ct2", 105),
        ("CTB", "::1", 106),
    ]


@dataclass
class _Exchange:
    request: Request
    read_only: bool
    refused: list[int] = field(default_factory=list)

    @property
    def line(self) -> Any:
        return SimpleNamespace(caller=SimpleNamespace(read_only=self.read_only))

    def refuse(self, code: int, comment: str) -> None:
        del comment
        self.refused.append(code)


@pytest.mark.parametrize("kind", [NCreateRq, NSetRq, NActionRq, NGetRq])
@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.capability("1.0.3")
async def test_work_items_are_not_changed_at_a_read_only_title(kind: type[Any], read_only: bool) -> None:
    done: list[bytes] = []

    async def work(_: Any, data: bytes) -> None:
        done.append(data)

    more = {"action_type": 1} if kind is NActionRq else {}
    exchange: Any = _Exchange(kind(message_id=1, sop_class=UPS_PUSH, sop_uid="1.2", **more), read_only)
    await _guarded(work)(exchange, b"asked")
    refused = read_only and kind is not NGetRq
    assert (exchange.refused, done) == ([0x0124] if refused else [], [] if refused else [b"asked"])
