"""The ingest path alone, without network: associations that do nothing but hand objects to ``archive.ingest``.

Run: python -m bench.ingest_micro ct|mr|tiny|cine ASSOCIATIONS OBJECTS [profile]
"""

import argparse
import asyncio
import cProfile
import pstats
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path

import uvloop

from bench.corpus import EXPLICIT_LE, Object, Study, fresh_run, objects
from filmroom.archive.ingest import Ingest
from filmroom.archive.model import Stored
from filmroom.archive.quarantine import Quarantine
from filmroom.base.clock import SystemClock
from filmroom.db.embedded import EmbeddedPostgres
from filmroom.db.feed import FeedWatch
from filmroom.db.migrate import migrate
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM
from filmroom.settings import StorageSettings
from filmroom.storage.blobs import Blobs
from filmroom.storage.online import OnlineStore

PIECE = 131_072 - 12  # what one P-DATA-TF brings


async def store(ingest: Ingest, each: Object) -> None:
    incoming = ingest.begin(
        SYSTEM,
        door="dimse",
        source="BENCH",
        transfer_syntax=EXPLICIT_LE,
        sop_class=each.sop_class,
        sop_uid=each.sop_uid,
        part10=False,
    )
    for part in (each.header, each.pixels):
        view = memoryview(part)
        for start in range(0, len(view), PIECE):
            if incoming.full:
                await incoming.drain()
            incoming.write(view[start : start + PIECE])
            if len(view) > PIECE:
                await asyncio.sleep(0)
    outcome = await incoming.finish()
    if outcome.result is not Stored.NEW:
        raise SystemExit(outcome)


async def main(arguments: argparse.Namespace, folder: Path, url: str) -> None:
    database = await Database.open(url)
    await migrate(database)
    online = OnlineStore(
        folder / "store",
        StorageSettings(),
        clock=SystemClock(),
        monotonic=time.monotonic,
        unique=lambda: uuid.uuid4().hex,
    )
    blobs = Blobs([online.store])
    feed = FeedWatch(database)
    quarantine = Quarantine(database, online, blobs, SystemClock())
    ingest = Ingest(database, online, blobs, quarantine, feed, StorageSettings(), SystemClock())
    await feed.start()
    await ingest.start()
    run = fresh_run()
    ready = [
        list(objects(arguments.kind, Study(run, number), arguments.objects)) for number in range(arguments.associations)
    ]

    async def association(sent: list[Object]) -> None:
        for each in sent:
            await store(ingest, each)

    profiler = cProfile.Profile() if arguments.profile else None
    # One object each first: connections, prepared statements.
    for number in range(arguments.associations):
        for each in objects(arguments.kind, Study(run, 1000 + number), 1):
            await store(ingest, each)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    if profiler:
        profiler.enable()
    await asyncio.gather(*(association(sent) for sent in ready))
    if profiler:
        profiler.disable()
    elapsed = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    count = arguments.associations * arguments.objects
    size = sum(each.size_bytes for sent in ready for each in sent)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{arguments.kind} x{arguments.associations}: {count / elapsed:8.0f}/s {size / elapsed / 1e6:7.0f} MB/s "
        f"cpu {cpu / count * 1e3:.2f} ms (user {(after.ru_utime - before.ru_utime) / count * 1e3:.2f}) "
        f"{elapsed / count * arguments.associations * 1e3:.2f} ms each, peak {after.ru_maxrss / 1024:.0f} MB"
    )
    if profiler:
        pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(30)
    await ingest.stop()
    await feed.stop()
    await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("associations", type=int)
    parser.add_argument("objects", type=int)
    parser.add_argument("profile", nargs="?")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        base = given.folder or Path(name)
        server = EmbeddedPostgres(base / "postgres")
        server.start()
        try:
            uvloop.run(main(given, base, server.url))
        finally:
            server.stop()
