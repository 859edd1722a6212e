"""Roles: what each allows, and on which part of the archive. The ready ones stand here, further ones are data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from filmroom.security.scopes import WHOLE, Scope


class Action(Enum):
    """Something that needs leave."""

    VIEW = "view"  # find, open, read metadata and pixels
    STORE = "store"  # add objects
    EXPORT = "export"  # take whole objects or studies out
    DELETE = "delete"
    ADMINISTER = "administer"  # devices, settings, quarantine
    REPORT = "report"  # write reports
    SIGN = "sign"  # make reports final
    EDIT = "edit"  # correct demographics and attributes
    MERGE = "merge"  # merge and unmerge patients
    PRINT = "print"  # film and paper
    SHARE = "share"  # make links for people without an account
    BREAK_GLASS = "break-glass"  # see, for a reason and a time, what is kept out of sight
    PROTECTED = "protected"  # see protected patients without breaking the glass
    SECURITY = "security"  # accounts, roles, scopes, protected patients
    AUDIT = "audit"  # read, verify and export the audit trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What somebody who has it may do, on what lies in any of its scopes."""

    actions: frozenset[Action]
    scopes: tuple[Scope, ...] = (WHOLE,)
    help: str = ""


_READING: Final = frozenset({Action.VIEW, Action.STORE, Action.REPORT, Action.PRINT, Action.BREAK_GLASS})
_MINE: Final = (Scope(referring_me=True, priors=True), Scope(assigned_to_me=True, priors=True))

READY: Final[Mapping[str, Role]] = MappingProxyType(
    {
        "administrator": Role(
            actions=frozenset(Action),
            help="Everything; the system alone where duties are separated (security.separate_duties).",
        ),
        "radiologist": Role(
            actions=_READING | {Action.EXPORT, Action.SIGN, Action.SHARE}, help="Reads, reports, signs, sends."
        ),
        "resident": Role(actions=_READING, help="Reads and writes reports; somebody else signs them."),
        "technologist": Role(
            actions=frozenset({Action.VIEW, Action.STORE, Action.PRINT}), help="Acquires, checks and prints."
        ),
        "clinician": Role(
            actions=frozenset({Action.VIEW, Action.BREAK_GLASS}),
            scopes=_MINE,
            help="Sees patients referred by or assigned to the person, with their earlier studies.",
        ),
        "data-manager": Role(
            actions=frozenset({Action.VIEW, Action.STORE, Action.EDIT, Action.MERGE, Action.PRINT}),
            help="Completes and corrects records, merges patients.",
        ),
        "viewer": Role(actions=frozenset({Action.VIEW}), help="Looks, and nothing else."),
        "integration": Role(
            actions=frozenset({Action.VIEW, Action.STORE, Action.EXPORT, Action.PROTECTED}),
            help="A program that files and fetches.",
        ),
        "research": Role(
            actions=frozenset({Action.VIEW, Action.EXPORT}),
            scopes=(Scope(deidentified_only=True),),
            help="Sees and takes out what is de-identified (0012,0062), and nothing else.",
        ),
        "security-officer": Role(
            actions=frozenset({Action.SECURITY}), help="Accounts, roles, scopes and protected patients; no images."
        ),
        "auditor": Role(actions=frozenset({Action.AUDIT}), help="Reads and verifies the audit trail; no images."),
    }
)

# By name alone, as accounts are checked against it.
ROLES: Final[Mapping[str, frozenset[Action]]] = MappingProxyType({name: role.actions for name, role in READY.items()})

# What the administrator lets go of where system, security and audit are three people's duties (GB/T 22239 8.1.4).
# He keeps the system running and looks at no patient; whoever looks after records is a data-manager.
SEPARATED: Final = frozenset(Action) - {Action.ADMINISTER, Action.DELETE}


@dataclass(frozen=True, slots=True)
class Grant:
    """One role as somebody has it: the scopes are the role's, narrowed by what was said when it was given."""

    role: str
    actions: frozenset[Action]
    scopes: tuple[Scope, ...] = (WHOLE,)
