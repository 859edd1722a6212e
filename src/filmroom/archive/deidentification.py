"""Projects for which objects are de-identified: each with its own secret, options and templates of burned-in text."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound, Unsupported
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.conditions_parse import parse
from filmroom.dicom.deidentify import Recipe
from filmroom.dicom.deidentify_pixels import Region, Template
from filmroom.dicom.deidentify_profile import Option
from filmroom.dicom.deidentify_pseudonyms import KEY_BYTES, Pseudonyms
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal

_sql = load("filmroom.archive", "deidentification.sql")
MAX_TEMPLATES: Final = 200
MAX_PREFIX = 16


class BadExport(FilmroomError):
    """The export or project cannot be made as it was asked for."""


class ProjectExists(FilmroomError):
    """A project of this name is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as anybody may see it who exports; its secret is shown to nobody."""

    pk: int
    name: str
    prefix: str
    options: tuple[str, ...]
    templates: tuple[Template, ...]
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Method:
    """How the objects of a project are made."""

    recipe: Recipe
    templates: tuple[Template, ...]


class Deidentification:
    """The projects."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self,
        who: Principal,
        name: str,
        *,
        options: Sequence[str] = (),
        prefix: str = "",
        templates: Sequence[Template] = (),
    ) -> Project:
        """A new project with a new secret. Raises Forbidden, ProjectExists, BadExport, BadCondition."""
        demand(who, Action.ADMINISTER)
        chosen = options_of(options)
        prefix = prefix or "ANON"
        if not prefix.isalnum() or not prefix.isascii() or len(prefix) > MAX_PREFIX or not name.strip():
            raise BadExport(f"a project has a name, and a prefix of at most {MAX_PREFIX} letters and digits")
        if len(templates) > MAX_TEMPLATES:
            raise BadExport(f"a project has at most {MAX_TEMPLATES} templates")
        for template in templates:
            parse(template.when)
        key = secrets.token_bytes(KEY_BYTES)
        try:
            Recipe(pseudonyms=Pseudonyms(key, prefix), options=chosen)
        except Unsupported as error:
            raise BadExport(str(error)) from error
        async with self._database.transaction() as tx:
            pk = await _sql.add.value(
                tx,
                name=name.strip(),
                key=key,
                prefix=prefix,
                options=sorted(option.value for option in chosen),
                templates=[_json(template) for template in templates],
                by=who.id,
                at=self._clock.now(),
            )
        if pk is None:
            raise ProjectExists(f"there is a project {name} already")
        return await self.get(who, name.strip())

    async def listed(self, who: Principal) -> list[Project]:
        """All projects, by name."""
        demand(who, Action.EXPORT)
        async with self._database.connection() as connection:
            return [_project(row) for row in await _sql.list.all(connection)]

    async def get(self, who: Principal, name: str) -> Project:
        """One project. Raises NotFound."""
        demand(who, Action.EXPORT)
        async with self._database.connection() as connection:
            row = await _sql.by_name.one(connection, name=name)
        if row is None:
            raise NotFound(f"no project is called {name}")
        return _project(row)

    async def method(self, pk: int) -> Method:
        """How its objects are made, with its secret: for the job alone."""
        async with self._database.connection() as connection:
            row = await _sql.secret.one(connection, pk=pk)
        if row is None:
            raise NotFound("the project is gone")
        recipe = Recipe(pseudonyms=Pseudonyms(row["key"], row["prefix"]), options=options_of(row["options"]))
        return Method(recipe, tuple(map(template_of, row["templates"])))


def options_of(names: Sequence[str]) -> frozenset[Option]:
    """The options of these names. Raises BadExport."""
    try:
        return frozenset(Option(name) for name in names)
    except ValueError as error:
        known = ", ".join(option.value for option in Option)
        raise BadExport(f"{error.args[0]}; the options are {known}") from error


def template_of(said: Any) -> Template:
    """A template of its JSON form, ``{"when": condition, "black": [[left, top, width, height], ...]}``."""
    try:
        black = tuple(Region(*map(int, region)) for region in said.get("black", ()))
        return Template(str(said["when"]), black)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadExport("a template is when (a condition) and black (left, top, width, height in pixels)") from error


def _json(template: Template) -> dict[str, Any]:
    return {"when": template.when, "black": [[r.left, r.top, r.width, r.height] for r in template.black]}


def _project(row: Any) -> Project:
    return Project(
        pk=row["pk"],
        name=row["name"],
        prefix=row["prefix"],
        options=tuple(row["options"]),
        templates=tuple(map(template_of, row["templates"])),
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
