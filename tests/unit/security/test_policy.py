"""Who may do what."""

import pytest

from filmroom.base.errors import Forbidden
from filmroom.base.ids import AeTitle
from filmroom.security.policy import Action, demand, may
from filmroom.security.principals import SYSTEM, Principal, device, job, person
from filmroom.security.roles import ROLES


def somebody(*roles: str) -> Principal:
    return person(7, "rita", frozenset(roles))


@pytest.mark.capability("6.3.2")
def test_a_role_allows_its_actions_and_no_other():
    for role, actions in ROLES.items():
        for action in Action:
            assert may(somebody(role), action) == (action in actions)


@pytest.mark.capability("6.3.2")
def test_nobody_may_anything_without_a_role():
    assert not any(may(somebody(*roles), action) for roles in ((), ("no-such-role",)) for action in Action)


def test_a_device_fetches_and_sends_but_does_not_administer():
    ct = device(AeTitle("CT1"))
    assert ct.id == "device:CT1"
    assert [action for action in Action if may(ct, action)] == [Action.VIEW, Action.STORE, Action.EXPORT]


def test_the_system_and_its_jobs_may_all():
    assert all(may(who, action) for who in (SYSTEM, job("route")) for action in Action)


def test_demand_says_who_and_what():
    with pytest.raises(Forbidden, match="rita may not delete"):
        demand(somebody("viewer"), Action.DELETE)
    demand(somebody("viewer"), Action.VIEW)
