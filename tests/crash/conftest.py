"""Faults: each test has a server of its own, which it may kill, starve or cut off."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.servers import Server
from tests.fixtures.server import new_archive

Starter = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start an archive with settings of the test's choice; all end with the test.

    ``toml`` is the text of its settings file, keyword arguments are environment variables.
    """
    started: list[Server] = []

    def starter(toml: str = "", **environment: str) -> Server:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        if toml:
            (folder / "settings.toml").write_text(toml)
            environment["FILMROOM_CONFIG"] = str(folder / "settings.toml")
        server = new_archive(folder, environment)
        started.append(server)
        server.start()
        return server

    yield starter
    for server in started:
        server.stop()
