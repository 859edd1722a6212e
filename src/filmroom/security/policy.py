"""The one permission check, whatever the door. Pure: no clock, no database."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from filmroom.base.errors import Forbidden
from filmroom.security.principals import Kind, Principal
from filmroom.security.roles import READY, Action, Grant
from filmroom.security.scopes import Scope, Subject, covers, harmless
from filmroom.security.view import View

__all__ = ["Action", "demand", "dressed", "grants_of", "may", "sees", "view_for"]

# A registered device sends and fetches; jobs and Filmroom itself do what they were made for.
_BY_KIND: Mapping[Kind, frozenset[Action]] = {
    Kind.PERSON: frozenset(),
    Kind.DEVICE: frozenset({Action.VIEW, Action.STORE, Action.EXPORT}),
    Kind.JOB: frozenset(Action),
    Kind.SYSTEM: frozenset(Action),
}


def grants_of(who: Principal) -> tuple[Grant, ...]:
    """What somebody was given: as worked out for the session, else by the ready roles' names."""
    if who.grants is not None:
        return who.grants
    return tuple(Grant(name, READY[name].actions, READY[name].scopes) for name in sorted(who.roles) if name in READY)


def may(who: Principal, action: Action, what: Subject | None = None) -> bool:
    """Whether ``who`` may do ``action`` at all, or to ``what``."""
    if who.only is not None and action not in who.only:
        return False
    # A device does what devices do until somebody gives it roles: then those say it.
    if action in _BY_KIND[who.kind] and not (who.kind is Kind.DEVICE and who.grants is not None):
        return True
    grants = [grant for grant in grants_of(who) if action in grant.actions]
    if what is None:
        return bool(grants)
    return sees(view_for(who, action), [what]) == [True] if grants else False


def demand(who: Principal, action: Action, what: Subject | None = None) -> None:
    """Raise Forbidden unless ``may``."""
    if not may(who, action, what):
        raise Forbidden(f"{who.name} may not {action.value}")


def view_for(who: Principal, action: Action) -> View:
    """The part of the archive on which ``who`` may do ``action``; what is out of sight is so for every action."""
    by_kind = action in _BY_KIND[who.kind] and not (who.kind is Kind.DEVICE and who.grants is not None)
    if by_kind:
        return replace(who.view, scopes=None)
    scopes = _scopes(grant for grant in grants_of(who) if action in grant.actions)
    return replace(who.view, scopes=scopes, me=who.id)


def dressed(who: Principal, grants: Iterable[Grant] | None, *, names: frozenset[str], protecting: bool) -> Principal:
    """A principal with its grants, and the view that follows. ``protecting``: there are protected patients."""
    given = replace(who, grants=None if grants is None else tuple(grants))
    veiled = protecting and given.kind in (Kind.PERSON, Kind.DEVICE) and not may(given, Action.PROTECTED)
    if given.kind is Kind.DEVICE and grants is None:
        veiled = False  # a modality or workstation without roles does what devices do
    view = (
        replace(given.view, veiled=veiled, me=who.id, names=names) if veiled or given.grants is not None else given.view
    )
    given = replace(given, view=view)
    return replace(given, view=view_for(given, Action.VIEW)) if given.grants is not None else given


def sees(view: View, patient: Iterable[Subject], broken: bool = False) -> list[bool]:
    """Which of the studies (or series) of one patient are in sight: the decision that SQL makes for all at once."""
    studies = list(patient)
    if broken:
        return [True] * len(studies)
    return [not (view.veiled and each.protected) and _in_scope(view, each, studies) for each in studies]


def _in_scope(view: View, what: Subject, patient: Iterable[Subject]) -> bool:
    if view.scopes is None:
        return True
    return any(
        covers(scope, what, view.me, view.names)
        or (
            scope.priors
            and harmless(scope, what)
            and any(covers(scope, other, view.me, view.names) for other in patient)
        )
        for scope in view.scopes
    )


def _scopes(grants: Iterable[Grant]) -> tuple[Scope, ...] | None:
    """The scopes of several grants together; None where one of them is no limit."""
    found = tuple(dict.fromkeys(scope for grant in grants for scope in grant.scopes))
    return None if any(scope.whole for scope in found) else found
