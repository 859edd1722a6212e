"""The upper layer's state machine, as the standard prints it (PS3.8 9.2, tables 9-1 to 9-10).

``TRANSITIONS`` is table 9-10. Where a cell names two next states (AE-6, AR-8) the action decides.
"""

from collections.abc import Mapping
from enum import Enum

# Members are hashed by identity: Enum's own hash is a call of Python code, twice for each PDU.


class State(Enum):
    """PS3.8 tables 9-1 to 9-5."""

    __hash__ = object.__hash__

    STA1 = "idle"
    STA2 = "transport open, awaiting A-ASSOCIATE-RQ"
    STA3 = "awaiting the local answer to an association request"
    STA4 = "awaiting the transport connection to open"
    STA5 = "awaiting A-ASSOCIATE-AC or -RJ"
    STA6 = "established"
    STA7 = "awaiting A-RELEASE-RP"
    STA8 = "awaiting the local answer to a release request"
    STA9 = "release collision, requestor: awaiting the local answer"
    STA10 = "release collision, acceptor: awaiting A-RELEASE-RP"
    STA11 = "release collision, requestor: awaiting A-RELEASE-RP"
    STA12 = "release collision, acceptor: awaiting the local answer"
    STA13 = "awaiting the transport connection to close"


class Event(Enum):
    """The rows of table 9-10."""

    __hash__ = object.__hash__

    ASSOCIATE_REQUEST = 1
    TRANSPORT_CONFIRMED = 2
    ASSOCIATE_AC_PDU = 3
    ASSOCIATE_RJ_PDU = 4
    TRANSPORT_INDICATED = 5
    ASSOCIATE_RQ_PDU = 6
    ASSOCIATE_ACCEPT = 7
    ASSOCIATE_REJECT = 8
    DATA_REQUEST = 9
    DATA_PDU = 10
    RELEASE_REQUEST = 11
    RELEASE_RQ_PDU = 12
    RELEASE_RP_PDU = 13
    RELEASE_ANSWER = 14
    ABORT_REQUEST = 15
    ABORT_PDU = 16
    TRANSPORT_CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


class Action(Enum):
    """Actions of PS3.8 tables 9-6 to 9-9, in the standard's own words where they are short."""

    __hash__ = object.__hash__

    AE1 = "issue TRANSPORT CONNECT request"
    AE2 = "send A-ASSOCIATE-RQ"
    AE3 = "issue A-ASSOCIATE confirmation (accept)"
    AE4 = "issue A-ASSOCIATE confirmation (reject), close transport"
    AE5 = "issue TRANSPORT CONNECT response, start ARTIM"
    AE6 = "stop ARTIM; acceptable: issue A-ASSOCIATE indication; else send A-ASSOCIATE-RJ, start ARTIM"
    AE7 = "send A-ASSOCIATE-AC"
    AE8 = "send A-ASSOCIATE-RJ, start ARTIM"
    DT1 = "send P-DATA-TF"
    DT2 = "issue P-DATA indication"
    AR1 = "send A-RELEASE-RQ"
    AR2 = "issue A-RELEASE indication"
    AR3 = "issue A-RELEASE confirmation, close transport"
    AR4 = "send A-RELEASE-RP, start ARTIM"
    AR5 = "stop ARTIM"
    AR6 = "issue P-DATA indication (while releasing)"
    AR7 = "send P-DATA-TF (while releasing)"
    AR8 = "issue A-RELEASE indication (collision)"
    AR9 = "send A-RELEASE-RP (collision, requestor)"
    AR10 = "issue A-RELEASE confirmation (collision, acceptor)"
    AA1 = "send A-ABORT (service-user), restart ARTIM"
    AA2 = "stop ARTIM, close transport"
    AA3 = "issue A-ABORT or A-P-ABORT indication, close transport"
    AA4 = "issue A-P-ABORT indication"
    AA5 = "stop ARTIM (transport gone)"
    AA6 = "ignore PDU"
    AA7 = "send A-ABORT"
    AA8 = "send A-ABORT (service-provider), issue A-P-ABORT indication, start ARTIM"


A, E, S = Action, Event, State

# Next states of each action; None: the action decides between two (AE-6: Sta3 or Sta13, AR-8: Sta9 or Sta10).
NEXT_STATE: Mapping[Action, State | None] = {
    A.AE1: S.STA4,
    A.AE2: S.STA5,
    A.AE3: S.STA6,
    A.AE4: S.STA1,
    A.AE5: S.STA2,
    A.AE6: None,
    A.AE7: S.STA6,
    A.AE8: S.STA13,
    A.DT1: S.STA6,
    A.DT2: S.STA6,
    A.AR1: S.STA7,
    A.AR2: S.STA8,
    A.AR3: S.STA1,
    A.AR4: S.STA13,
    A.AR5: S.STA1,
    A.AR6: S.STA7,
    A.AR7: S.STA8,
    A.AR8: None,
    A.AR9: S.STA11,
    A.AR10: S.STA12,
    A.AA1: S.STA13,
    A.AA2: S.STA1,
    A.AA3: S.STA1,
    A.AA4: S.STA1,
    A.AA5: S.STA1,
    A.AA6: S.STA13,
    A.AA7: S.STA13,
    A.AA8: S.STA13,
}

# Sta5 to Sta12: an association is being opened, is open, or is being released.
_OPEN = (S.STA5, S.STA6, S.STA7, S.STA8, S.STA9, S.STA10, S.STA11, S.STA12)


def _pdu_row(event: Event, *, sta2: Action, sta13: Action, **known: Action) -> dict[tuple[Event, State], Action]:
    """A row for a PDU that comes in: what is not ``known`` is unexpected and aborts (AA-8)."""
    row = {(event, state): A.AA8 for state in (S.STA3, *_OPEN)}
    row |= {(event, State[name.upper()]): action for name, action in known.items()}
    return row | {(event, S.STA2): sta2, (event, S.STA13): sta13}


TRANSITIONS: Mapping[tuple[Event, State], Action] = {
    (E.ASSOCIATE_REQUEST, S.STA1): A.AE1,
    (E.TRANSPORT_CONFIRMED, S.STA4): A.AE2,
    **_pdu_row(E.ASSOCIATE_AC_PDU, sta2=A.AA1, sta5=A.AE3, sta13=A.AA6),
    **_pdu_row(E.ASSOCIATE_RJ_PDU, sta2=A.AA1, sta5=A.AE4, sta13=A.AA6),
    (E.TRANSPORT_INDICATED, S.STA1): A.AE5,
    **_pdu_row(E.ASSOCIATE_RQ_PDU, sta2=A.AE6, sta13=A.AA7),
    (E.ASSOCIATE_ACCEPT, S.STA3): A.AE7,
    (E.ASSOCIATE_REJECT, S.STA3): A.AE8,
    (E.DATA_REQUEST, S.STA6): A.DT1,
    (E.DATA_REQUEST, S.STA8): A.AR7,
    **_pdu_row(E.DATA_PDU, sta2=A.AA1, sta6=A.DT2, sta7=A.AR6, sta13=A.AA6),
    (E.RELEASE_REQUEST, S.STA6): A.AR1,
    **_pdu_row(E.RELEASE_RQ_PDU, sta2=A.AA1, sta6=A.AR2, sta7=A.AR8, sta13=A.AA6),
    **_pdu_row(E.RELEASE_RP_PDU, sta2=A.AA1, sta7=A.AR3, sta10=A.AR10, sta11=A.AR3, sta13=A.AA6),
    (E.RELEASE_ANSWER, S.STA8): A.AR4,
    (E.RELEASE_ANSWER, S.STA9): A.AR9,
    (E.RELEASE_ANSWER, S.STA12): A.AR4,
    (E.ABORT_REQUEST, S.STA4): A.AA2,
    **{(E.ABORT_REQUEST, state): A.AA1 for state in (S.STA3, *_OPEN)},
    **{(E.ABORT_PDU, state): A.AA3 for state in (S.STA3, *_OPEN)},
    (E.ABORT_PDU, S.STA2): A.AA2,
    (E.ABORT_PDU, S.STA13): A.AA2,
    (E.TRANSPORT_CLOSED, S.STA2): A.AA5,
    **{(E.TRANSPORT_CLOSED, state): A.AA4 for state in (S.STA3, S.STA4, *_OPEN)},
    (E.TRANSPORT_CLOSED, S.STA13): A.AR5,
    (E.ARTIM_EXPIRED, S.STA2): A.AA2,
    (E.ARTIM_EXPIRED, S.STA13): A.AA2,
    **_pdu_row(E.INVALID_PDU, sta2=A.AA1, sta13=A.AA7),
}
