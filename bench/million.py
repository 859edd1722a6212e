"""C-FIND and QIDO-RS over the wire in an index of a million studies: what the first page costs, how answers stream.

``python -m bench.million`` seeds an embedded PostgreSQL (some minutes, bench.seed_studies), serves it and asks; with
``--url`` it asks a database that is seeded already. Values vary from one question to the next; the first round of each
question is not counted.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlencode

from bench import dimse
from bench.corpus import dataset
from bench.query_timings import questions
from bench.seed_studies import seed
from bench.servers import ROOT, Filmroom
from filmroom.db.embedded import EmbeddedPostgres
from filmroom.db.migrate import migrate
from filmroom.db.pool import Database
from filmroom.dicom.question import Level

ROUNDS = 30
PAGE = 100  # answers of a first page: what a list on a screen shows
STREAMED = 10_000
_PATHS = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}
_KEYS = {
    0x00080020: ("DA", ""),
    0x00080030: ("TM", ""),
    0x00080050: ("SH", ""),
    0x00080052: ("CS", "STUDY"),
    0x00080061: ("CS", ""),
    0x00081030: ("LO", ""),
    0x00100010: ("PN", ""),
    0x00100020: ("LO", ""),
    0x00100030: ("DA", ""),
    0x0020000D: ("UI", ""),
    0x00201208: ("IS", ""),
}


def main() -> None:
    """Seed when there is nothing yet, serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=ROOT / "data/million")
    parser.add_argument("--url", default="", help="a database seeded before")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = options.url
        if not url:
            private = EmbeddedPostgres(options.folder / "postgres")
            private.start()
            stack.callback(private.stop)
            url = private.url
        studies = asyncio.run(_filled(url, options.studies))
        server = Filmroom(options.folder / "server", {"FILMROOM_DATABASE_URL": url})
        stack.callback(server.stop)
        server.start()
        print(f"{studies} studies\n{'question':32}{'answers':>8}{'p50 ms':>9}{'p95 ms':>9}{'worst':>9}")
        over_http(server, studies)
        over_dimse(server, studies)


async def _filled(url: str, studies: int) -> int:
    database = await Database.open(url, size=2)
    await migrate(database)
    async with database.connection() as connection:
        there = int(await connection.fetchval("SELECT count(*) FROM study"))
    if not there:
        await seed(database, studies)
    await database.close()
    return there or studies


def over_http(server: Filmroom, studies: int) -> None:
    """The first page of each question, by QIDO-RS."""
    with server.web() as connection:
        for name, (level, ask) in questions(studies).items():
            took, found = [], 0
            for number in range(ROUNDS + 1):
                query = urlencode({"limit": str(PAGE)} | ask(number))
                begun = time.perf_counter()
                answer = connection.get(f"/dicom-web/{_PATHS[level]}?{query}", accept="application/dicom+json")
                took.append((time.perf_counter() - begun) * 1000)
                found = len(answer.json() or []) if answer.status == 200 else 0
            _line(f"QIDO {name}", found, took[1:])


def over_dimse(server: Filmroom, studies: int) -> None:
    """Exact keys by C-FIND; then a wildcard whose answers are many, and its cancel."""
    keys: dict[str, Callable[[int], dict[int, tuple[str, str]]]] = {
        "patient id": lambda n: {0x00100020: ("LO", f"P{1 + n * 977 % (studies * 2 // 5)}")},
        "accession": lambda n: {0x00080050: ("SH", f"A{1 + n * 7919 % studies}")},
        "study uid": lambda n: {0x0020000D: ("UI", f"2.25.7001.{1 + n * 7919 % studies}")},
        "accession prefix": lambda n: {0x00080050: ("SH", f"A{1 + n * 7919 % studies // 100}*")},
        "empty": lambda n: {0x00100010: ("PN", f"QQZZ{n}^*")},
    }
    with dimse.Association.open(server.dicom, server.ae, [dimse.STUDY_FIND], timeout_s=120) as association:
        for name, ask in keys.items():
            took, found = [], 0
            for number in range(ROUNDS + 1):
                identifier = dataset(_KEYS | ask(number))
                begun = time.perf_counter()
                found = len(association.find(identifier))
                took.append((time.perf_counter() - begun) * 1000)
            _line(f"C-FIND {name}", found, took[1:])
        # Days until there are enough answers, each with a wildcard that is true of nearly all.
        days = max(1, STREAMED * 4300 // studies)
        for number in range(3):
            day = f"2019010{1 + number}-{_later(20190101 + number, days)}"
            identifier = dataset(_KEYS | {0x00080020: ("DA", day), 0x00080050: ("SH", "A*")})
            begun = time.perf_counter()
            found = len(association.find(identifier))
            seconds = time.perf_counter() - begun
            print(f"C-FIND wildcard, streamed: {found} answers in {seconds:.2f} s, {found / seconds:.0f}/s")


def _later(date: int, days: int) -> str:
    begun = time.mktime(time.strptime(str(date), "%Y%m%d"))
    return time.strftime("%Y%m%d", time.localtime(begun + days * 86_400))


def _line(name: str, found: int, took: Sequence[float]) -> None:
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"{name:32}{found:>8}{statistics.median(took):>9.2f}{p95:>9.2f}{max(took):>9.2f}", flush=True)


if __name__ == "__main__":
    main()
