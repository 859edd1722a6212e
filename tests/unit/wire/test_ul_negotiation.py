"""What two peers agree on (PS3.8 7.1, PS3.7 annex D.3)."""

import dataclasses

import pytest

from filmroom.wire.ul.items import (
    AsyncWindow,
    ContextResult,
    Extended,
    ProposedContext,
    Role,
    UserInformation,
)
from filmroom.wire.ul.machine import Side
from filmroom.wire.ul.negotiation import Agreement, Offer, Terms, agreement, answer
from filmroom.wire.ul.pdu import (
    REJECTED_APPLICATION_CONTEXT,
    REJECTED_NO_REASON,
    REJECTED_PROTOCOL_VERSION,
    AssociateAc,
    AssociateRq,
)

IMPLICIT, EXPLICIT, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
ECHO, CT, FIND = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.2.2.1"
OFFERS = {
    ECHO: Offer(transfer_syntaxes=(EXPLICIT, IMPLICIT)),
    CT: Offer(transfer_syntaxes=(EXPLICIT, IMPLICIT, JPEG), requestor_scp=True),
    FIND: Offer(transfer_syntaxes=(IMPLICIT,), extended=lambda info: bytes(b & 1 for b in info[:2])),
    "1.2.99": Offer(transfer_syntaxes=(IMPLICIT,), permitted=False),
}
TERMS = Terms(
    offer=OFFERS.get, max_length=1000, implementation_class_uid="1.2.3", implementation_version="US", window=8
)


def request(*contexts: tuple[str, tuple[str, ...]], **user: object) -> AssociateRq:
    return AssociateRq(
        called_ae="A",
        calling_ae="B",
        contexts=tuple(
            ProposedContext(2 * n + 1, abstract, syntaxes) for n, (abstract, syntaxes) in enumerate(contexts)
        ),
        user=UserInformation(**user),  # type: ignore[arg-type]
    )


def accepted(rq: AssociateRq) -> AssociateAc:
    ac = answer(rq, TERMS)
    assert isinstance(ac, AssociateAc)
    return ac


def agreed(rq: AssociateRq, side: Side = Side.ACCEPTOR) -> Agreement:
    return agreement(rq, accepted(rq), side)


@pytest.mark.capability("1.0.4")
def test_the_transfer_syntax_is_chosen_by_our_list_not_by_theirs() -> None:
    ac = accepted(request((CT, (JPEG, IMPLICIT, EXPLICIT))))
    assert [(c.result, c.transfer_syntax) for c in ac.contexts] == [(0, EXPLICIT)]


@pytest.mark.capability("1.0.4")
def test_each_context_is_answered_in_order_with_its_own_result() -> None:
    ac = accepted(request((ECHO, (IMPLICIT,)), ("1.2.5", (IMPLICIT,)), (FIND, (JPEG,)), ("1.2.99", (IMPLICIT,))))
    assert [(c.id, c.result) for c in ac.contexts] == [
        (1, ContextResult.ACCEPTED),
        (3, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        (5, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED),
        (7, ContextResult.USER_REJECTION),
    ]


@pytest.mark.capability("1.0.4")
def test_128_contexts_are_taken() -> None:
    ac = accepted(request(*[(CT, (EXPLICIT,))] * 128))
    assert [c.id for c in ac.contexts] == list(range(1, 256, 2))
    assert {c.result for c in ac.contexts} == {0}


def test_no_context_at_all_is_still_an_association() -> None:
    assert accepted(request()).contexts == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protocol_version": 2}, REJECTED_PROTOCOL_VERSION),
        ({"application_context": "1.2"}, REJECTED_APPLICATION_CONTEXT),
        ({"user": UserInformation(max_length=7)}, REJECTED_NO_REASON),
    ],
)
@pytest.mark.capability("1.0.4")
def test_rejections_by_the_protocol(change: dict[str, object], reason: object) -> None:
    assert answer(dataclasses.replace(request((ECHO, (IMPLICIT,))), **change), TERMS) == reason  # type: ignore[arg-type]


def test_a_later_protocol_version_that_includes_ours_is_taken() -> None:  # bits, not a number: PS3.8 table 9-11
    accepted(dataclasses.replace(request((ECHO, (IMPLICIT,))), protocol_version=3))


@pytest.mark.parametrize(
    ("role", "serves", "uses"),
    [(None, True, False), (Role(CT, True, True), True, True), (Role(CT, False, True), False, True)],
)
@pytest.mark.capability("1.0.5")
def test_roles_as_the_acceptor_sees_them(role: Role | None, serves: bool, uses: bool) -> None:
    rq = request((CT, (EXPLICIT,)), roles=() if role is None else (role,))
    context = agreed(rq).contexts[1]
    assert (context.we_serve, context.we_use) == (serves, uses)
    mirrored = agreed(rq, Side.REQUESTOR).contexts[1]
    assert (mirrored.we_use, mirrored.we_serve) == (serves, uses)


@pytest.mark.capability("1.0.5")
def test_a_role_that_is_not_offered_is_denied() -> None:
    ac = accepted(request((ECHO, (EXPLICIT,)), roles=(Role(ECHO, True, True),)))
    assert ac.user.roles == (Role(ECHO, True, False),)


def test_roles_of_unknown_classes_are_not_answered() -> None:
    assert accepted(request((ECHO, (EXPLICIT,)), roles=(Role("1.2.5", True, True),))).user.roles == ()


def test_a_proposed_role_without_an_answer_leaves_the_default() -> None:  # PS3.7 D.3.3.4
    rq = request((CT, (EXPLICIT,)), roles=(Role(CT, False, True),))
    ac = accepted(request((CT, (EXPLICIT,))))
    context = agreement(rq, ac, Side.REQUESTOR).contexts[1]
    assert (context.we_use, context.we_serve) == (True, False)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (None, None),
        (AsyncWindow(1, 1), AsyncWindow(1, 1)),
        (AsyncWindow(0, 0), AsyncWindow(8, 1)),
        (AsyncWindow(3, 5), AsyncWindow(3, 1)),
        (AsyncWindow(100, 100), AsyncWindow(8, 1)),
    ],
)
@pytest.mark.capability("1.0.5")
def test_the_asynchronous_window_is_answered_only_when_asked(
    asked: AsyncWindow | None, answered: AsyncWindow | None
) -> None:
    rq = request((ECHO, (IMPLICIT,)), async_window=asked)
    assert accepted(rq).user.async_window == answered
    assert agreed(rq).window == (answered or AsyncWindow(1, 1))


@pytest.mark.capability("1.0.5")
def test_extended_negotiation_is_answered_where_it_means_something() -> None:
    rq = request(
        (FIND, (IMPLICIT,)), (CT, (EXPLICIT,)), extended=(Extended(FIND, b"\x01\x00\x01"), Extended(CT, b"\x02"))
    )
    assert accepted(rq).user.extended == (Extended(FIND, b"\x01\x00"),)
    assert agreed(rq).extended == {FIND: b"\x01\x00"}


def test_the_peer_s_limit_is_the_one_that_counts() -> None:
    rq = request((ECHO, (IMPLICIT,)), max_length=16_384)
    assert agreed(rq).peer_max_length == 16_384
    assert agreed(rq, Side.REQUESTOR).peer_max_length == 1000


def test_answers_to_what_was_not_proposed_are_dropped() -> None:
    rq = request((ECHO, (IMPLICIT,)))
    ac = accepted(request((ECHO, (EXPLICIT,)), (ECHO, (IMPLICIT,))))
    assert agreement(rq, ac, Side.REQUESTOR).contexts == {}
