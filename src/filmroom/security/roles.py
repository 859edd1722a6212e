"""The roles an account may have, and the actions each allows."""

from collections.abc import Mapping
from enum import Enum


class Action(Enum):
    """Something that needs leave."""

    VIEW = "view"  # find, open, read metadata and pixels
    STORE = "store"  # add objects
    EXPORT = "export"  # take whole objects or studies out
    DELETE = "delete"
    ADMINISTER = "administer"  # accounts, devices, settings, quarantine


ROLES: Mapping[str, frozenset[Action]] = {
    "administrator": frozenset(Action),
    "radiologist": frozenset({Action.VIEW, Action.STORE, Action.EXPORT}),
    "technologist": frozenset({Action.VIEW, Action.STORE}),
    "viewer": frozenset({Action.VIEW}),
    "integration": frozenset({Action.VIEW, Action.STORE, Action.EXPORT}),
}
