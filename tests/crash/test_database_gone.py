"""PostgreSQL goes away under load and comes back: refusals, then recovery, nothing lost."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.http import BadAnswer
from bench.servers import Server
from bench.waiting import until
from tests.crash.conftest import Starter
from tests.crash.senders import Senders, reckon

from filmroom.db.embedded import EmbeddedPostgres


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that belongs to the test, not to the server."""
    with tempfile.TemporaryDirectory(prefix="filmroom-pg-", ignore_cleanup_errors=True) as folder:
        database = EmbeddedPostgres(Path(folder) / "postgres")
        database.start()
        yield database
        database.stop()


def _kill(database: EmbeddedPostgres) -> None:
    """kill -9 of the postmaster; its children notice and end."""
    socket_folder = database.url.partition("host=")[2].partition("&")[0]
    (mark,) = Path(socket_folder).parent.rglob("postmaster.pid")
    os.kill(int(mark.read_text().split()[0]), signal.SIGKILL)


def _ready(server: Server) -> int:
    try:
        with server.web() as connection:
            return connection.get("/readyz").status
    except (OSError, BadAnswer):
        return 0


@pytest.mark.capability("1.1.4", "2.1.2")
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_nothing_is_lost_when_the_database_goes_away(how: str, start: Starter, postgres: EmbeddedPostgres) -> None:
    server = start(FILMROOM_DATABASE_URL=postgres.url)
    with Senders(server) as senders:
        senders.wait_for(40)
        if how == "stopped":
            postgres.stop()
        else:
            _kill(postgres)
            postgres.stop()
        until(lambda: _ready(server) == 503, what="readiness turned red", timeout_s=20)
        held = senders.acknowledged
        until(lambda: senders.refused > 0, what="a refusal", timeout_s=45)
        assert senders.acknowledged <= held + len(senders.sent), "success without a database"
        postgres.start()
        senders.wait_for(40, timeout_s=30)
        until(lambda: _ready(server) == 200, what="readiness turned green", timeout_s=20)
    assert all(0xA700 <= status <= 0xA7FF for status in senders.refusals), senders.refusals
    result = reckon(server, senders.sent)
    assert result.clean, result
