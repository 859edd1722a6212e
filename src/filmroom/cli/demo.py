"""``filmroom demo``: the server with a sample hospital in it."""

import os
from pathlib import Path

from rich.progress import Progress

from filmroom.app.core import Core
from filmroom.cli import serve
from filmroom.cli.running import with_core
from filmroom.settings import Settings, load

# Where the demonstration lives unless FILMROOM_DATA says otherwise: it must never mix with a real archive.
FOLDER = Path("data") / "demo"


def demo() -> None:
    """Start the server with a sample hospital: several modalities, a CT worth scrolling, a Chinese name."""
    settings = load() if os.environ.get("FILMROOM_DATA") else load({**os.environ, "FILMROOM_DATA": str(FOLDER)})
    os.environ["FILMROOM_DATA"] = str(settings.data)
    if not (settings.data / "demo-filed").exists():
        fill(settings)
    serve.run(settings, frozenset({"dimse", "web", "work"}))


def fill(settings: Settings) -> None:
    """Make the sample images and file them; done once."""
    from filmroom.cli.data import file_with_progress
    from filmroom.cli.demo_data import make_demo

    folder = settings.data / "samples"
    with Progress() as progress:
        task = progress.add_task("Making sample images", total=None)

        def made(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        make_demo(folder, made)

    async def work(core: Core) -> None:
        await file_with_progress(core, folder, title="Filing sample images")

    with_core(work, settings)
    (settings.data / "demo-filed").touch()
