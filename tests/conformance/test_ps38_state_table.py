"""PS3.8 table 9-10, row by row as printed, against the table that the code runs on."""

from typing import Any

import pytest
from pynetdicom.fsm import TRANSITION_TABLE

from filmroom.wire.ul.machine import _PERFORM
from filmroom.wire.ul.states import NEXT_STATE, TRANSITIONS, Action, Event, State

# One row for each event; columns Sta1 to Sta13; '.' is an empty cell.
PRINTED = """
 1 AE-1 .    .    .    .    .    .    .    .    .     .    .    .
 2 .    .    .    AE-2 .    .    .    .    .    .     .    .    .
 3 .    AA-1 AA-8 .    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
 4 .    AA-1 AA-8 .    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
 5 AE-5 .    .    .    .    .    .    .    .    .     .    .    .
 6 .    AE-6 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
 7 .    .    AE-7 .    .    .    .    .    .    .     .    .    .
 8 .    .    AE-8 .    .    .    .    .    .    .     .    .    .
 9 .    .    .    .    .    DT-1 .    AR-7 .    .     .    .    .
10 .    AA-1 AA-8 .    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
11 .    .    .    .    .    AR-1 .    .    .    .     .    .    .
12 .    AA-1 AA-8 .    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
13 .    AA-1 AA-8 .    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6
14 .    .    .    .    .    .    .    AR-4 AR-9 .     .    AR-4 .
15 .    .    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1 AA-1 .
16 .    AA-2 AA-3 .    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3 AA-3 AA-2
17 .    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4 AA-4 AR-5
18 .    AA-2 .    .    .    .    .    .    .    .     .    .    AA-2
19 .    AA-1 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
"""

# PS3.8 tables 9-6 to 9-9, "next state".
NEXT = {
    "AE-1": 4, "AE-2": 5, "AE-3": 6, "AE-4": 1, "AE-5": 2, "AE-7": 6, "AE-8": 13,
    "DT-1": 6, "DT-2": 6,
    "AR-1": 7, "AR-2": 8, "AR-3": 1, "AR-4": 13, "AR-5": 1, "AR-6": 7, "AR-7": 8, "AR-9": 11, "AR-10": 12,
    "AA-1": 13, "AA-2": 1, "AA-3": 1, "AA-4": 1, "AA-5": 1, "AA-6": 13, "AA-7": 13, "AA-8": 13,
}  # fmt: skip
DECIDED_BY_THE_ACTION = {"AE-6", "AR-8"}


def printed() -> dict[tuple[Event, State], Action]:
    cells = {}
    for line in PRINTED.strip().splitlines():
        number, *row = line.split()
        assert len(row) == 13
        for column, name in enumerate(row, 1):
            if name != ".":
                cells[Event(int(number)), State[f"STA{column}"]] = Action[name.replace("-", "")]
    return cells


def test_the_table_is_the_standard_s() -> None:
    assert dict(TRANSITIONS) == printed()


def test_the_next_states_are_the_standard_s() -> None:
    ours = {action.name: state and int(state.name[3:]) for action, state in NEXT_STATE.items()}
    expected: dict[str, Any] = {name.replace("-", ""): state for name, state in NEXT.items()}
    expected |= {name.replace("-", ""): None for name in DECIDED_BY_THE_ACTION}
    assert ours == expected


def test_every_action_is_performed() -> None:
    assert set(_PERFORM) == set(Action) == set(TRANSITIONS.values())


def test_a_peer_implementation_has_the_same_table() -> None:
    theirs = {
        (Event(int(event[3:])), State[state.upper()]): Action[action.replace("_", "").replace("-", "")]
        for (event, state), action in TRANSITION_TABLE.items()
    }
    # pynetdicom answers a request for abort in Sta1 to Sta13 alike; only the cells of the standard are compared.
    different = {cell for cell in printed() if theirs.get(cell) != TRANSITIONS[cell]}
    if different:
        pytest.fail(f"{[(e.name, s.name, theirs.get((e, s)), TRANSITIONS[e, s]) for e, s in different]}")
