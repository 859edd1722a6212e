"""What may stand in a device's policy, and how what is wrong is named."""

import pytest

from filmroom.archive.devices_callers import ADVICE, Reason
from filmroom.archive.devices_local import LocalPolicy
from filmroom.archive.devices_model import BadDevice, Device, asked, described, merged
from filmroom.archive.devices_policy import RESERVED, SERVICES, WRITING_SERVICES, DevicePolicy, WorklistPolicy
from filmroom.archive.devices_rules import Fault
from filmroom.archive.devices_vendors import vendor
from filmroom.base.ids import IMPLEMENTATION_CLASS_UID, ae_title
from filmroom.security.view import EVERYTHING

CT1 = ae_title("CT1")
JPEG_LS = "1.2.840.10008.1.2.4.80"


@pytest.mark.parametrize(
    ("row", "pointer"),
    [
        ({"services": ["echo", "teleport"]}, "/services/1"),
        ({"services": "echo"}, "/services"),
        ({"check_host": "yes"}, "/check_host"),
        ({"addresses": ["10.0.0.0/33"]}, "/addresses/0"),
        ({"addresses": ["a b"]}, "/addresses/0"),
        ({"destinations": ["TOO LONG A TITLE 17"]}, "/destinations/0"),
        ({"response_character_set": "ISO_IR 999"}, "/response_character_set"),
        ({"preferred_syntaxes": ["1.2.3"]}, "/preferred_syntaxes/0"),
        ({"idle_timeout_s": 0}, "/idle_timeout_s"),
        ({"max_associations": 1.5}, "/max_associations"),
        ({"max_associations": True}, "/max_associations"),
        ({"worklist": {"more_days": -1}}, "/worklist/more_days"),
        ({"worklist": {"colour": 1}}, "/worklist/colour"),
        ({"worklist": 3}, "/worklist"),
        ({"commit": "never"}, "/commit"),
        ({"as/received~": True}, "/as~1received~0"),
    ],
)
@pytest.mark.capability("1.0.1")
def test_what_is_wrong_is_named_by_its_place(row: dict[str, object], pointer: str) -> None:
    faults: list[Fault] = []
    DevicePolicy.parse(row, faults)
    assert [fault.pointer for fault in faults] == [pointer]


def test_a_strict_policy_comes_back_as_it_was_asked_for() -> None:
    row = {
        "services": ["echo", "store"],
        "addresses": ["ct.example", "10.1.0.0/16", "::1"],
        "accepted_syntaxes": [JPEG_LS],
        "response_character_set": "ISO 2022 IR 6\\ISO 2022 IR 58",
        "pdu_timeout_s": 5.0,
        "as_received": True,
        "worklist": {"own_station": True},
        "identity": {"anything": ["at", "all"]},
        "tls": {"call": True},
    }
    faults: list[Fault] = []
    policy = DevicePolicy.parse(row, faults)
    assert (faults, policy.to_row()) == ([], row)
    assert policy.more == {"identity": {"anything": ["at", "all"]}, "tls": {"call": True}}
    assert DevicePolicy.from_row(row) == policy


def test_null_is_the_default() -> None:
    assert DevicePolicy.parse({"services": None, "worklist": None}, []) == DevicePolicy()


@pytest.mark.parametrize("stored", [5, "echo", [{}], {"a": 1}])
def test_a_row_that_cannot_be_read_allows_nothing_by_mistake(stored: object) -> None:
    policy = DevicePolicy.from_row({"services": stored, "destinations": stored, "worklist": stored})
    assert (policy.services, policy.destinations, policy.worklist) == (frozenset(), frozenset(), WorklistPolicy())


def test_keys_of_others_are_none_of_ours() -> None:
    assert not RESERVED & {each.name for each in DevicePolicy.typed()}
    assert all(each.metadata["help"].endswith(".") for each in (*DevicePolicy.typed(), *LocalPolicy.typed()))


@pytest.mark.capability("1.0.1", "1.0.3")
def test_a_device_says_everything_that_is_wrong_at_once() -> None:
    with pytest.raises(BadDevice) as caught:
        asked(CT1, {"host": "", "port": 0, "colour": 1, "ae_title": "CT2", "department": "CT", "policy": {"x": 1}})
    assert [fault.pointer for fault in caught.value.faults] == [
        "/ae_title",
        "/colour",
        "/department",
        "/host",
        "/policy/x",
        "/port",
    ]
    assert asked(CT1, {"host": " [::1] ", "port": 104}).host == "::1"


def test_a_merge_patch_takes_keys_away() -> None:
    device = Device(ae_title=CT1, host="a", port=104, policy=DevicePolicy(as_received=True, strict_mpps=True))
    patch = {"policy": {"as_received": None, "worklist": {"more_days": 2}}, "description": "Room 3"}
    changed = asked(CT1, merged(described(device), patch))
    assert (changed.policy.to_row(), changed.description) == (
        {"strict_mpps": True, "worklist": {"more_days": 2}},
        "Room 3",
    )


@pytest.mark.capability("1.0.2")
def test_a_read_only_title_offers_nothing_that_writes() -> None:
    assert LocalPolicy(read_only=True).offered == SERVICES - WRITING_SERVICES
    assert LocalPolicy().view() == EVERYTHING
    assert LocalPolicy.from_row({"modalities": ["CT"]}).view().narrow


@pytest.mark.parametrize(
    ("uid", "maker"),
    [
        ("1.2.276.0.7230010.3.0.3.6.7", "DCMTK (OFFIS), also inside other products"),
        ("1.2.826.0.1.3680043.9.3811.2.1.0", "pynetdicom"),
        ("1.3.12.2.1107.5.99.2", "Siemens Healthineers"),
        ("1.3.12.2.11070", ""),
        (IMPLEMENTATION_CLASS_UID, "Filmroom"),
        ("", ""),
    ],
)
@pytest.mark.capability("7.1.3")
def test_the_maker_is_known_by_its_root(uid: str, maker: str) -> None:
    assert vendor(uid) == maker


@pytest.mark.capability("7.1.3")
def test_every_reason_has_its_advice() -> None:
    assert set(ADVICE) == set(Reason)
