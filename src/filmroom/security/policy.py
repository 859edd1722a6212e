"""The one permission check, whatever the door. Pure: no clock, no database."""

from collections.abc import Mapping

from filmroom.base.errors import Forbidden
from filmroom.security.principals import Kind, Principal
from filmroom.security.roles import ROLES, Action

__all__ = ["Action", "demand", "may"]

# A registered device sends and fetches; jobs and Filmroom itself do what they were made for.
_BY_KIND: Mapping[Kind, frozenset[Action]] = {
    Kind.PERSON: frozenset(),
    Kind.DEVICE: frozenset({Action.VIEW, Action.STORE, Action.EXPORT}),
    Kind.JOB: frozenset(Action),
    Kind.SYSTEM: frozenset(Action),
}


def may(who: Principal, action: Action, what: object = None) -> bool:
    """Whether ``who`` may do ``action``; ``what`` narrows it to a study or device once scopes exist."""
    del what
    if action in _BY_KIND[who.kind]:
        return True
    return any(action in ROLES.get(role, frozenset()) for role in who.roles)


def demand(who: Principal, action: Action, what: object = None) -> None:
    """Raise Forbidden unless ``may``."""
    if not may(who, action, what):
        raise Forbidden(f"{who.name} may not {action.value}")
