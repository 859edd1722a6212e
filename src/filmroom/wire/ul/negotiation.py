"""What two peers agree on when an association opens (PS3.8 7.1, PS3.7 annex D.3), as pure functions.

``answer`` is the acceptor's side; ``agreement`` reads a request and its answer into what both may now do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from filmroom.wire.ul.items import (
    APPLICATION_CONTEXT,
    AnsweredContext,
    AsyncWindow,
    ContextResult,
    Extended,
    ProposedContext,
    Role,
    UserInformation,
)
from filmroom.wire.ul.machine import Side
from filmroom.wire.ul.pdu import (
    PROTOCOL_VERSION,
    REJECTED_APPLICATION_CONTEXT,
    REJECTED_NO_REASON,
    REJECTED_PROTOCOL_VERSION,
    AssociateAc,
    AssociateRj,
    AssociateRq,
)

# A PDV header takes 6 bytes (PS3.8 9.3.5.1); below this a peer could not receive two bytes of data per PDU.
MIN_PEER_LENGTH = 8

# PS3.7 D.3.3.3: without the item, one operation at a time.
SYNCHRONOUS = AsyncWindow(1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What we do for one SOP class. ``transfer_syntaxes`` in our order of preference.

    ``requestor_scu`` and ``requestor_scp``: the roles that the association's requestor may take.
    ``permitted`` false answers 'user rejection': we know the class, but this peer may not use it.
    """

    transfer_syntaxes: Sequence[str]
    requestor_scu: bool = True
    requestor_scp: bool = False
    permitted: bool = True
    extended: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Our side of every negotiation. ``window`` is the most operations a requestor may have outstanding with us."""

    offer: Callable[[str], Offer | None]
    max_length: int
    implementation_class_uid: str
    implementation_version: str
    window: int = 1


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context. ``we_serve``/``we_use``: we may act as SCP, as SCU of its SOP class."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    we_serve: bool
    we_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What holds on an open association. ``peer_max_length`` in bytes, 0 for no limit.

    ``window``: the operations that the requestor may have outstanding (invoked) and perform itself (performed).
    """

    side: Side
    called_ae: str
    calling_ae: str
    contexts: Mapping[int, Context]
    results: Mapping[int, int]
    peer_max_length: int
    window: AsyncWindow = SYNCHRONOUS
    extended: Mapping[str, bytes] = field(default_factory=dict)
    peer_implementation: tuple[str, str] = ("", "")


def answer(request: AssociateRq, terms: Terms) -> AssociateAc | AssociateRj:
    """The acceptor's answer as far as the protocol decides it; who may connect is judged elsewhere."""
    if not request.protocol_version & PROTOCOL_VERSION:
        return REJECTED_PROTOCOL_VERSION
    if request.application_context != APPLICATION_CONTEXT:
        return REJECTED_APPLICATION_CONTEXT
    if 0 < request.user.max_length < MIN_PEER_LENGTH:
        return REJECTED_NO_REASON
    offers = {c.abstract_syntax: terms.offer(c.abstract_syntax) for c in request.contexts}
    user = UserInformation(
        max_length=terms.max_length,
        implementation_class_uid=terms.implementation_class_uid,
        implementation_version=terms.implementation_version,
        async_window=_window(request.user.async_window, terms.window),
        roles=tuple(_role(role, offers) for role in request.user.roles if offers.get(role.sop_class)),
        extended=tuple(_extended(request.user.extended, offers)),
    )
    return AssociateAc(
        called_ae=request.called_ae,
        calling_ae=request.calling_ae,
        contexts=tuple(answer_context(c, offers[c.abstract_syntax]) for c in request.contexts),
        user=user,
    )


def answer_context(context: ProposedContext, offer: Offer | None) -> AnsweredContext:
    """Our word on one context; the transfer syntax is the first of OUR list that the peer has (PS3.8 9.3.3.2)."""
    first = context.transfer_syntaxes[0] if context.transfer_syntaxes else ""
    if offer is None:
        return AnsweredContext(context.id, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, first)
    if not offer.permitted:
        return AnsweredContext(context.id, ContextResult.USER_REJECTION, first)
    proposed = set(context.transfer_syntaxes)
    chosen = next((uid for uid in offer.transfer_syntaxes if uid in proposed), None)
    if chosen is None:
        return AnsweredContext(context.id, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, first)
    return AnsweredContext(context.id, ContextResult.ACCEPTED, chosen)


def agreement(request: AssociateRq, answered: AssociateAc, side: Side) -> Agreement:
    """What holds between the two, seen from ``side``. Answers to contexts never proposed are dropped."""
    proposed = {c.id: c for c in request.contexts}
    roles = _agreed_roles(request.user.roles, answered.user.roles)
    contexts: dict[int, Context] = {}
    for context in answered.contexts:
        asked = proposed.get(context.id)
        if asked is None or context.result != ContextResult.ACCEPTED:
            continue
        syntax = context.transfer_syntax
        if syntax not in asked.transfer_syntaxes:
            continue
        scu, scp = roles.get(asked.abstract_syntax, (True, False))
        serve, use = (scu, scp) if side is Side.ACCEPTOR else (scp, scu)
        contexts[context.id] = Context(context.id, asked.abstract_syntax, syntax, serve, use)
    peer = request.user if side is Side.ACCEPTOR else answered.user
    return Agreement(
        side=side,
        called_ae=request.called_ae,
        calling_ae=request.calling_ae,
        contexts=contexts,
        results={c.id: c.result for c in answered.contexts},
        peer_max_length=peer.max_length,
        window=answered.user.async_window or SYNCHRONOUS,
        extended={e.sop_class: e.info for e in answered.user.extended},
        peer_implementation=(peer.implementation_class_uid, peer.implementation_version),
    )


def _window(asked: AsyncWindow | None, ours: int) -> AsyncWindow | None:
    """Answered only when asked (PS3.7 D.3.3.3.2). We invoke one operation at a time, whatever the peer performs."""
    if asked is None:
        return None
    invoked = ours if asked.invoked == 0 else min(asked.invoked, ours)
    return AsyncWindow(invoked, 1)


def _role(role: Role, offers: Mapping[str, Offer | None]) -> Role:
    offer = offers[role.sop_class]
    assert offer is not None
    return Role(role.sop_class, role.scu and offer.requestor_scu, role.scp and offer.requestor_scp)


def _extended(asked: Sequence[Extended], offers: Mapping[str, Offer | None]) -> list[Extended]:
    answers: list[Extended] = []
    for each in asked:
        offer = offers.get(each.sop_class)
        if offer is not None and offer.extended is not None:
            answers.append(Extended(each.sop_class, offer.extended(each.info)))
    return answers


def _agreed_roles(asked: Sequence[Role], given: Sequence[Role]) -> dict[str, tuple[bool, bool]]:
    """Requestor's (SCU, SCP) by SOP class; an unanswered proposal leaves the default (PS3.7 D.3.3.4)."""
    proposed = {role.sop_class: role for role in asked}
    agreed: dict[str, tuple[bool, bool]] = {}
    for role in given:
        wanted = proposed.get(role.sop_class)
        if wanted is not None:
            agreed[role.sop_class] = (wanted.scu and role.scu, wanted.scp and role.scp)
    return agreed
