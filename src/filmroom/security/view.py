"""Which part of the archive somebody sees. It travels with the principal, into every question and every retrieve."""

from dataclasses import dataclass

from filmroom.security.scopes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Limits of what is seen; the default sees everything that is not rejected.

    Empty sets are no limit. ``max_age_days`` counts from the study date; a study without one is not seen under it.
    ``as_received``: objects are handed out without corrections. ``scopes``: of this, what lies in one of them (None:
    all of it); ``veiled``: protected patients stay out of sight. Both give way where ``me`` has broken the glass.
    ``names`` are those, normalised, under which ``me`` refers patients.
    """

    show_rejected: bool = False
    as_received: bool = False
    stations: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    max_age_days: int | None = None
    scopes: tuple[Scope, ...] | None = None
    veiled: bool = False
    me: str = ""
    names: frozenset[str] = frozenset()

    @property
    def narrow(self) -> bool:
        """Whether anything is kept out of sight beyond what is rejected."""
        return bool(
            self.stations
            or self.departments
            or self.modalities
            or self.max_age_days is not None
            or self.scopes is not None
            or self.veiled
        )

    @property
    def by_series(self) -> bool:
        """Whether of one study some series may be seen and others not."""
        scoped = self.scopes is not None and any(scope.modalities for scope in self.scopes)
        return bool(self.stations or self.modalities or scoped)


EVERYTHING = View()
