"""Who looked at what: one record for a study opened in a session, however many frames it has; one for a question."""

from collections import OrderedDict, deque
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, Protocol

from filmroom.base.clock import Clock
from filmroom.base.facts import Fact
from filmroom.db.pool import Database
from filmroom.dicom.question import AnyOf, Question, Range, Single, Universal, Wildcard, hex_key
from filmroom.security.audit import ORIGIN, AuditEvent, AuditKind, about
from filmroom.security.audit_trail import alert, patients_of
from filmroom.security.policy import Action
from filmroom.security.principals import Kind, Principal

# Who goes on looking after this long has opened the study anew.
SESSION: Final = timedelta(hours=1)
MAX_REMEMBERED: Final = 100_000
MASS_WINDOW: Final = timedelta(hours=1)
MAX_WATCHED: Final = 10_000


class Trail(Protocol):
    """Takes records."""

    async def record(self, event: AuditEvent, fact: Fact | None = None) -> None: ...


class AuditLooks:
    """Tells the trail. ``mass_studies`` different studies of one person within an hour raise an alert."""

    def __init__(self, database: Database, clock: Clock, trail: Trail, *, mass_studies: int) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._mass_studies = mass_studies
        self._told: OrderedDict[tuple[str, str, Action, str], datetime] = OrderedDict()
        self._opened: OrderedDict[str, deque[tuple[datetime, str]]] = OrderedDict()
        self._alerted: dict[str, datetime] = {}

    async def __call__(self, who: Principal, action: Action, studies: Collection[str]) -> None:
        """Record that studies are opened (or sent, from the DICOM door) if that is news. Raises Unavailable."""
        if who.kind not in (Kind.PERSON, Kind.DEVICE) or not studies:
            return
        origin = ORIGIN.get()
        address = who.address or (origin.address if origin is not None else "")
        sent = who.kind is Kind.DEVICE or who.door == "dimse"
        now = self._clock.now()
        news = [uid for uid in studies if sent or self._is_news((who.id, address, action, uid), now)]
        if not news:
            return
        async with self._database.connection() as connection:
            of = await patients_of(connection, news)
        kind = AuditKind.EXPORTED if action is Action.EXPORT else AuditKind.ACCESSED
        for uid in news:
            patient, protected = of.get(uid, (None, False))
            event = about(
                who,
                AuditKind.TRANSFERRED if sent else kind,
                now,
                studies=(uid,),
                patients=(patient,) if patient is not None else (),
            )
            await self._trail.record(event)
            if protected and who.kind is Kind.PERSON:
                await self._trail.record(*alert(who, "protected-access", now, count=1, study=uid))
        if not sent:
            await self._watch(who, news, now)

    async def asked(self, who: Principal, question: Question, answers: int) -> None:
        """Record a question."""
        if who.kind not in (Kind.PERSON, Kind.DEVICE):
            return
        detail = {"level": question.level.value, "answers": answers}
        await self._trail.record(
            about(who, AuditKind.QUERY, self._clock.now(), what="query", query=in_words(question), detail=detail)
        )

    def _is_news(self, key: tuple[str, str, Action, str], now: datetime) -> bool:
        until = self._told.get(key)
        if until is not None and now < until:
            return False
        self._told[key] = now + SESSION
        self._told.move_to_end(key)
        while len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        return True

    async def _watch(self, who: Principal, studies: Collection[str], now: datetime) -> None:
        """Many different studies within an hour are somebody's whole archive, not their work list."""
        opened = self._opened.setdefault(who.id, deque(maxlen=4 * self._mass_studies))
        self._opened.move_to_end(who.id)
        while len(self._opened) > MAX_WATCHED:
            self._opened.popitem(last=False)
        opened.extend((now, uid) for uid in studies)
        while opened and opened[0][0] < now - MASS_WINDOW:
            opened.popleft()
        count = len({uid for _, uid in opened})
        if count >= self._mass_studies and now - self._alerted.get(who.id, now - 2 * MASS_WINDOW) > MASS_WINDOW:
            self._alerted[who.id] = now
            await self._trail.record(*alert(who, "mass-access", now, count=count))


def in_words(question: Question) -> str:
    """The keys of a question that say something, as a query string."""
    parts = []
    for key in question.keys:
        match = key.match
        if isinstance(match, Universal):
            continue
        name = ".".join(hex_key(tag) for tag in key.path)
        if isinstance(match, Range):
            value = f"{match.low}-{match.high}"
        elif isinstance(match, Single):
            value = match.value
        elif isinstance(match, Wildcard):
            value = match.pattern
        elif isinstance(match, AnyOf):
            value = "\\".join(match.values)
        else:
            value = repr(match)
        parts.append(f"{name}={value}")
    return "&".join(parts)
