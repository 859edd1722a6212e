"""Senders that go on whatever happens to the server, and remember what it promised; and the reckoning after."""

import hashlib
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench import dimse
from bench.corpus import BASIC_SR, CT_IMAGE, MR_IMAGE, Object, Study, dataset, fresh_run, objects
from bench.servers import Server
from bench.waiting import pause, until
from tests.fixtures.server import stored_in

CLASSES = (BASIC_SR, CT_IMAGE, MR_IMAGE)
_PER_STUDY = 25


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(slots=True)
class Sent:
    """What one sender did: SOP Instance UID to digest, of everything begun and of what was answered 0000."""

    begun: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    refusals: Counter[int] = field(default_factory=Counter)
    breaks: int = 0
    studies: list[Study] = field(default_factory=list)


class Senders:
    """Threads that store objects of mixed kinds without end; a broken association is opened again."""

    def __init__(self, server: Server, count: int = 4, kinds: Sequence[str] = ("ct", "mr", "tiny")) -> None:
        self._server = server
        self._stop = threading.Event()
        self._kinds = kinds
        self._run = fresh_run()
        self.sent = [Sent() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._work, args=(number, sent), daemon=True)
            for number, sent in enumerate(self.sent)
        ]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a sender hangs: the server holds an association without answering"

    @property
    def acknowledged(self) -> int:
        return sum(len(each.acknowledged) for each in self.sent)

    @property
    def refusals(self) -> Counter[int]:
        return sum((each.refusals for each in self.sent), Counter())

    @property
    def refused(self) -> int:
        """Answers that were not success, and associations that were not granted or broke off."""
        return sum(self.refusals.values()) + sum(each.breaks for each in self.sent)

    def wait_for(self, more: int, timeout_s: float = 60.0) -> None:
        """Until that many more objects have been acknowledged."""
        goal = self.acknowledged + more
        until(lambda: self.acknowledged >= goal, what=f"{more} more acknowledged objects", timeout_s=timeout_s)

    def _work(self, number: int, sent: Sent) -> None:
        supply = self._supply(number, sent)
        while not self._stop.is_set():
            try:
                with dimse.Association.open(self._server.dicom, self._server.ae, CLASSES, timeout_s=45) as association:
                    self._send(association, supply, sent)
            except (OSError, dimse.Refused):
                sent.breaks += 1
                self._stop.wait(0.1)

    def _send(self, association: dimse.Association, supply: Iterator[Object], sent: Sent) -> None:
        while not self._stop.is_set():
            item = next(supply)
            sent.begun[item.sop_uid] = digest(item.dataset)
            status = association.store(item)
            if status == dimse.SUCCESS:
                sent.acknowledged[item.sop_uid] = sent.begun[item.sop_uid]
            else:
                sent.refusals[status] += 1
                self._stop.wait(0.05)

    def _supply(self, number: int, sent: Sent) -> Iterator[Object]:
        for turn in itertools.count():
            study = Study(self._run, number * 10_000 + turn)
            sent.studies.append(study)
            yield from objects(self._kinds[turn % len(self._kinds)], study, _PER_STUDY)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a server holds, held against what was sent to it."""

    lost: list[str]
    differing: list[str]
    unreadable: list[str]
    acknowledged: int

    @property
    def clean(self) -> bool:
        return not (self.lost or self.differing or self.unreadable)


def reckon(server: Server, every: Sequence[Sent]) -> Reckoning:
    """Retrieve all studies by C-GET. Listed but not retrievable, acknowledged but gone, other bytes: each is named."""
    lost, differing, unreadable = [], [], []
    for sent in every:
        with dimse.Association.open(
            server.dicom, server.ae, [dimse.STUDY_GET], store_roles=CLASSES, timeout_s=120
        ) as association:
            for study in sent.studies:
                listed = stored_in(server, study.uid)
                got = _get(association, study) if listed else {}
                mine = {uid for uid in sent.acknowledged if uid.startswith(study.uid[:25])}
                lost += sorted(mine - listed)
                unreadable += sorted(listed - set(got))
                differing += sorted(uid for uid, data in got.items() if digest(data) != sent.begun.get(uid))
    return Reckoning(lost, differing, unreadable, sum(len(each.acknowledged) for each in every))


def _get(association: dimse.Association, study: Study) -> dict[str, bytes]:
    identifier = dataset({0x00080052: ("CS", "STUDY"), 0x0020000D: ("UI", study.uid)})
    return association.get(identifier, keep=True).kept


def echo_seconds(server: Server) -> float:
    """Time of one echo on an association of its own."""
    begun = time.monotonic()
    with dimse.Association.open(server.dicom, server.ae, [dimse.VERIFICATION], calling="PROBE") as association:
        assert association.echo() == dimse.SUCCESS
    return time.monotonic() - begun


def random_pause(random_source: random.Random, most_s: float) -> None:
    pause(random_source.uniform(0, most_s))
