"""The parts of the DIMSE edge that need no socket: offers, batches, tallies, identifiers, policies, the wheel."""

import asyncio
from typing import Any

import pytest
from tests.fixtures.dimse_archive import MemoryObject
from tests.fixtures.dimse_wire import BIG, CT, EXPLICIT, IMPLICIT, JPEG, MR

from filmroom.archive.devices import SERVICES, DevicePolicy
from filmroom.base.errors import Retry
from filmroom.dicom.question import Level
from filmroom.dicom.sopclass import STORAGE_SOP_CLASSES
from filmroom.net.dimse.admission import is_loopback
from filmroom.net.dimse.errors import AssociationRejected
from filmroom.net.dimse.models import FIND_MODELS, PATIENT_ROOT, PATIENT_STUDY_ONLY, STUDY_ROOT, VERIFICATION
from filmroom.net.dimse.offers import IMPLEMENTATION_VERSION, STORE_SYNTAXES, offers
from filmroom.net.dimse.outgoing import Sent, Tally, acceptable
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.registry import AssociationRegistry
from filmroom.net.dimse.scp.identifiers import BadIdentifier, Wanted, wanted
from filmroom.net.dimse.sender import batches, proposals_for
from filmroom.wire.ul.negotiation import Context, Offer
from filmroom.wire.ul.pdu import REJECTED_CALLING_AE, REJECTED_LOCAL_LIMIT

J2K, DEFLATED, MPEG = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.100"


def offered(sop_class: str, policy: DevicePolicy | None = None) -> Offer | None:
    return offers(policy or DevicePolicy(), accept_unknown=True)(sop_class)


@pytest.mark.capability("1.1.1")
def test_every_storage_class_is_offered_both_ways() -> None:
    for sop_class in STORAGE_SOP_CLASSES:
        offer = offered(sop_class)
        assert offer is not None, sop_class
        assert offer.requestor_scu
        assert offer.requestor_scp


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.1.33", "1.2.840.10008.5.1.1.9", "not a uid", ""])
def test_what_is_no_storage_class_is_not_taken_for_an_unknown_one(sop_class: str) -> None:
    assert offered(sop_class) is None


@pytest.mark.capability("1.0.4", "1.1.2")
def test_transfer_syntaxes_plain_first_lossless_before_lossy() -> None:
    order = [STORE_SYNTAXES.index(uid) for uid in (EXPLICIT, IMPLICIT, DEFLATED, BIG, J2K, JPEG, MPEG)]
    assert order == sorted(order)


@pytest.mark.capability("1.0.5")
def test_extended_negotiation_grants_what_both_have() -> None:
    for sop_class in FIND_MODELS:
        offer = offered(sop_class)
        assert offer is not None
        assert offer.extended is not None
        assert offer.extended(b"\x01\x01\x01\x01\x01") == b"\x01\x01\x01\x01\x00"
        assert offer.extended(b"\x01") == b"\x01"
        assert offer.extended(b"") == b"\x00"


@pytest.mark.capability("1.0.1")
def test_a_policy_takes_services_away() -> None:
    policy = DevicePolicy(services=frozenset({"store"}))
    permitted = {uid: getattr(offered(uid, policy), "permitted", None) for uid in (VERIFICATION, CT, STUDY_ROOT.find)}
    assert permitted == {VERIFICATION: False, CT: True, STUDY_ROOT.find: False}
    offer = offered(CT, policy)
    assert offer is not None
    assert not offer.requestor_scp


@pytest.mark.parametrize(
    "policy",
    [
        DevicePolicy(),
        DevicePolicy(services=frozenset({"find"}), check_host=True, lenient_relational=True),
        DevicePolicy(destinations=frozenset()),
        DevicePolicy(destinations=frozenset({"A", "B"})),
    ],
)
def test_a_policy_comes_back_from_its_row(policy: DevicePolicy) -> None:
    assert DevicePolicy.from_row(policy.to_row()) == policy


def test_a_row_may_hold_more_than_we_know() -> None:
    assert DevicePolicy().to_row() == {}
    assert DevicePolicy.from_row({"services": ["echo", "teleport"], "tls": True}).services == {"echo"}
    assert DevicePolicy.from_row({}).services == SERVICES


def test_the_version_name_fits_its_field() -> None:  # PS3.7 D.3.3.2.3: 1 to 16 characters
    assert 1 <= len(IMPLEMENTATION_VERSION) <= 16


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
    ],
)
@pytest.mark.capability("1.0.1")
def test_what_counts_as_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_rejection_says_in_plain_words_why_and_whether_to_repeat() -> None:
    assert "does not know our AE title" in str(AssociationRejected(REJECTED_CALLING_AE))
    assert AssociationRejected(REJECTED_CALLING_AE).retry is Retry.NEVER
    assert AssociationRejected(REJECTED_LOCAL_LIMIT).retry is Retry.SAFE


# Sending


def item(sop_class: str, syntax: str) -> MemoryObject:
    return MemoryObject(sop_class, "1.2.3", syntax, b"")


@pytest.mark.capability("1.1.17")
def test_the_stored_syntax_is_proposed_beside_what_everybody_reads() -> None:
    proposals = proposals_for([item(CT, J2K), item(CT, J2K), item(CT, EXPLICIT), item(MR, IMPLICIT)])
    assert [(p.abstract_syntax, p.transfer_syntaxes) for p in proposals] == [
        (CT, (J2K,)),
        (CT, (EXPLICIT,)),
        (CT, (IMPLICIT,)),
        (MR, (EXPLICIT,)),
        (MR, (IMPLICIT,)),
    ]


@pytest.mark.capability("1.1.17")
def test_batches_keep_the_order_and_fit_an_association() -> None:
    items = [item(f"1.2.{n // 2}", J2K if n % 2 else EXPLICIT) for n in range(200)]
    cut = list(batches(items))
    assert [each for batch in cut for each in batch] == items
    assert all(len(proposals_for(batch)) <= 128 for batch in cut)
    assert len(cut) == 3
    assert list(batches([])) == []


def test_the_stored_syntax_alone_is_acceptable_when_it_is_accepted() -> None:
    contexts = [Context(1, CT, EXPLICIT, False, True), Context(3, CT, J2K, False, True)]
    assert acceptable(contexts, J2K) == (J2K,)
    assert acceptable(contexts, JPEG) == (EXPLICIT, J2K)


@pytest.mark.parametrize(
    ("statuses", "final"),
    [([], 0), ([0, 0], 0), ([0, 0xB007], 0xB000), ([0, None], 0xB000), ([None, 0xA700], 0xA702), ([0xB000], 0xB000)],
)
@pytest.mark.capability("1.3.2")
def test_the_final_status_follows_from_the_counts(statuses: list[int | None], final: int) -> None:
    tally = Tally(len(statuses))
    for status in statuses:
        tally.add(Sent(CT, "1.2.3", status))
    assert tally.final_status() == final
    assert tally.remaining == 0
    assert len(tally.failed_uids) == tally.failed


# Retrieve identifiers


def dataset(level: str, **keys: Any) -> dict[str, dict[str, Any]]:
    names = {
        "patient": "00100020",
        "study": "0020000D",
        "series": "0020000E",
        "image": "00080018",
        "issuer": "00100021",
    }
    found: dict[str, dict[str, Any]] = {"00080052": {"vr": "CS", "Value": [level]}}
    for name, value in keys.items():
        found[names[name]] = {"vr": "LO", "Value": value if isinstance(value, list) else [value]}
    return found


@pytest.mark.capability("1.3.1")
def test_what_a_retrieve_wants() -> None:
    at_image = dataset("IMAGE", study="1.2", series="1.3", image=["1.4", "1.5"])
    expected = Wanted(level=Level.IMAGE, studies=("1.2",), series=("1.3",), instances=("1.4", "1.5"))
    assert wanted(at_image, STUDY_ROOT, relational=False) == expected
    at_patient = dataset("PATIENT", patient="P1", issuer="HOSPITAL")
    assert wanted(at_patient, PATIENT_ROOT, relational=False) == Wanted(level=Level.PATIENT, patient=("P1", "HOSPITAL"))
    alone = dataset("IMAGE", image="1.4")
    assert wanted(alone, STUDY_ROOT, relational=True) == Wanted(level=Level.IMAGE, instances=("1.4",))


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        (dataset("IMAGE", image="1.4"), STUDY_ROOT),
        (dataset("IMAGE", study="1.2", series=["1.3", "1.4"], image="1.4"), STUDY_ROOT),
        (dataset("SERIES", study="1.2"), STUDY_ROOT),
        (dataset("STUDY", study="1.2; DROP TABLE"), STUDY_ROOT),
        (dataset("PATIENT", patient=["1", "2"]), PATIENT_ROOT),
        (dataset("SERIES", patient="1", study="1.2", series="1.3"), PATIENT_STUDY_ONLY),
        ({}, STUDY_ROOT),
    ],
)
def test_what_a_retrieve_cannot_want(keys: Any, model: Any) -> None:
    with pytest.raises(BadIdentifier):
        wanted(keys, model, relational=False)


# The registry and the wheel


class FakeAssociation:
    def __init__(self, calling_ae: str) -> None:
        self.calling_ae = calling_ae
        self.aborted = False

    def report(self) -> Any:
        return self.calling_ae

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.capability("1.0.9")
def test_the_registry_counts_by_ae_title() -> None:
    registry = AssociationRegistry()
    ids = [registry.add(FakeAssociation(ae)) for ae in ("A", "A", "B")]
    assert (registry.count_of("A"), registry.count_of("B"), registry.count_of("C"), len(registry)) == (2, 1, 0, 3)
    registry.remove(ids[0])
    registry.remove(ids[0])
    assert registry.count_of("A") == 1
    assert registry.reports() == ["A", "B"]
    assert registry.add(FakeAssociation("A")) not in ids


class Due:
    """Overdue at a moment; looked at until then."""

    def __init__(self, at: float, done: asyncio.Future[float]) -> None:
        self.at = at
        self.done = done
        self.looks = 0

    def check(self, now: float) -> float | None:
        self.looks += 1
        if now < self.at:
            return self.at
        self.done.set_result(now)
        return None


@pytest.mark.capability("1.0.8")
async def test_the_wheel_looks_in_time_and_then_no_more() -> None:
    reactor = Reactor(tick_s=0.01)
    now = reactor.loop.time()
    watched = [Due(now + 0.001 * n, reactor.loop.create_future()) for n in range(0, 200, 20)]
    for each in watched:
        reactor.watch(each)
    async with asyncio.timeout(5):
        moments = await asyncio.gather(*(each.done for each in watched))
    assert all(moment >= each.at for moment, each in zip(moments, watched, strict=True))
    assert all(each.looks <= 8 for each in watched)


async def test_what_is_forgotten_is_not_looked_at() -> None:
    reactor = Reactor(tick_s=0.01)
    first, second = (Due(reactor.loop.time(), reactor.loop.create_future()) for _ in range(2))
    reactor.watch(first)
    reactor.watch(second)
    reactor.forget(second)
    async with asyncio.timeout(5):
        await first.done
    assert second.looks == 0
