"""Which part of the archive somebody sees. It travels with the principal, into every question and every retrieve."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Limits of what is seen; the default sees everything that is not rejected.

    Empty sets are no limit. ``max_age_days`` counts from the study date; a study without one is not seen under it.
    ``as_received``: objects are handed out without corrections.
    """

    show_rejected: bool = False
    as_received: bool = False
    stations: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    max_age_days: int | None = None

    @property
    def narrow(self) -> bool:
        """Whether anything is kept out of sight beyond what is rejected."""
        return bool(self.stations or self.departments or self.modalities or self.max_age_days is not None)


EVERYTHING = View()
