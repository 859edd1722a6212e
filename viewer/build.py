#!/usr/bin/env python3
"""Prepare the viewer (OHIF) for being served below .../viewer/: fetch, check, strip, patch, compress into viewer/dist.

Takes the published package from the npm registry that this machine is configured for, refuses it unless its digest is
the one written here, and works without any network when the package or the result is already there.
"""

import base64
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

PACKAGE, VERSION = "@ohif/app", "3.13.2"
# The registry's own "dist.integrity" of this version.
INTEGRITY = "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="

HERE = Path(__file__).resolve().parent
ARCHIVE = HERE / f"ohif-app-{VERSION}.tgz"
DIST = HERE / "dist"
STAMP = ".built"
BASE = "/viewer/"

# ort/ is an inference runtime for models that come from the network; source maps are for OHIF's own developers.
DROPPED = re.compile(r"ort/|.*\.map$|_headers$|_redirects$|app-config\.js$|.*\.LICENSE\.txt$")
TEXT = {".js", ".mjs", ".css", ".html", ".json", ".svg", ".wasm", ".xml", ".webmanifest"}
SMALL_BYTES = 1024
ZSTD_LEVEL, GZIP_LEVEL = 12, 6

# Scripts and workers find their own folder, so that the site may stand below any path of a proxy.
OWN_FOLDER = '(/^.*?\\/viewer\\//.exec(self.location.pathname) || ["/viewer/"])[0]'

# What the viewer asks for one after another before the first image: asked for at once, while the large script is read.
FIRST_CHUNKS = (
    *(1673, 6938, 6489, 6495, 8478, 89, 2779, 2623, 6749, 5696, 1483, 9383, 7499, 8492, 9290, 4683, 1180, 7248, 781),
    *(9415, 3500, 9116, 100, 5406, 3760, 9068, 899, 5910, 5448, 7463, 1206),
)

EMPTY_WORKER = b"// No service worker here: the server's own cache headers do the work.\n"

Patch = tuple[str, str, int]
# What is replaced in the scripts, by what, and in how many files it must be found.
SCRIPT_PATCHES: tuple[Patch, ...] = (
    ('__webpack_require__.p = "/";', f"__webpack_require__.p = {OWN_FOLDER};", 8),
    ("'/dicom-microscopy-viewer/", "__webpack_require__.p + 'dicom-microscopy-viewer/", 1),
    # Never fetched from elsewhere: what is not here is not there.
    ("https://cdn.jsdelivr.net/npm/", f"{BASE}absent/", 1),
    ("https://huggingface.co/", f"{BASE}absent/", 2),
)
PAGE_PATCHES: tuple[tuple[str, str], ...] = (
    ('href="/', f'href="{BASE}'),
    ('src="/', f'src="{BASE}'),
    ('content="/assets', f'content="{BASE}assets'),
    ('window.PUBLIC_URL="/"', f'window.PUBLIC_URL="{BASE}"'),
)


def main() -> int:
    """Build unless what is there was built by this very recipe."""
    mark = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    stamp = DIST / STAMP
    if stamp.is_file() and stamp.read_text() == mark:
        say("the viewer is ready")
        return 0
    started = time.monotonic()
    fetch()
    fresh = HERE / "dist.making"
    shutil.rmtree(fresh, ignore_errors=True)
    unpack(fresh)
    patch(fresh)
    compress(fresh)
    (fresh / STAMP).write_text(mark)
    shutil.rmtree(DIST, ignore_errors=True)
    fresh.rename(DIST)
    say(f"the viewer is ready after {time.monotonic() - started:.0f} s")
    return 0


def fetch() -> None:
    """Have the package here, with the right digest."""
    if ARCHIVE.is_file() and digest(ARCHIVE) == INTEGRITY:
        say(f"{PACKAGE} {VERSION} is already here")
        return
    say(f"fetching {PACKAGE} {VERSION} (50 MB) with npm")
    command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(HERE)]
    try:
        done = subprocess.run(command, cwd=HERE, stdout=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        sys.exit("viewer: npm is needed to fetch the viewer; install Node.js 20 or newer")
    if done.returncode != 0 or not ARCHIVE.is_file():
        sys.exit("viewer: npm could not fetch the viewer; its message stands above")
    if (found := digest(ARCHIVE)) != INTEGRITY:
        ARCHIVE.unlink()
        sys.exit(f"viewer: the package is not the one we know: {found} instead of {INTEGRITY}")


def digest(path: Path) -> str:
    """The Subresource Integrity form of a file's SHA-512."""
    with path.open("rb") as file:
        return "sha512-" + base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def unpack(target: Path) -> None:
    """The files of the package's dist folder that are served, plus its licence."""
    say("unpacking")
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            name = served_name(member.name)
            if not member.isfile() or name is None:
                continue
            source = archive.extractfile(member)
            assert source is not None
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with source, path.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)


def served_name(name: str) -> str | None:
    """Where a file of the package goes; None when it is not served."""
    if name == "package/LICENSE":
        return "LICENSE"
    inside = name.removeprefix("package/dist/")
    if inside == name or inside.startswith("/") or ".." in inside.split("/") or DROPPED.match(inside):
        return None
    return inside


def patch(folder: Path) -> None:
    """Move everything below the base path, and cut the ways out of the site."""
    say("patching")
    scripts = list(folder.rglob("*.js"))
    for old, new, expected in SCRIPT_PATCHES:
        found = sum(replace(path, [(old, new)]) for path in scripts)
        if found < expected:
            sys.exit(f"viewer: {old!r} is in {found} files, not {expected}: the package has changed")
    for name in ("sw.js", "init-service-worker.js"):
        (folder / name).write_bytes(EMPTY_WORKER)
    if not replace(folder / "index.html", PAGE_PATCHES):
        sys.exit("viewer: index.html is not as expected")
    preload(folder)
    for path in folder.glob("*.css"):
        replace(path, [("url(/", "url(")])
    replace(folder / "manifest.json", [('"/', '"')])


def preload(folder: Path) -> None:
    """Name the first chunks in the page's head."""
    names = [found.name for number in FIRST_CHUNKS for found in folder.glob(f"{number}.bundle.*.js")]
    if len(names) != len(FIRST_CHUNKS):
        sys.exit(f"viewer: {len(names)} of {len(FIRST_CHUNKS)} chunks to load ahead are there: the package has changed")
    links = "".join(f'<link rel="preload" as="script" fetchpriority="low" href="{BASE}{name}">' for name in names)
    if not replace(folder / "index.html", (("</head>", f"{links}</head>"),)):
        sys.exit("viewer: index.html has no head")


def replace(path: Path, pairs: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> bool:
    """Whether any of the texts was there to be replaced."""
    before = after = path.read_bytes()
    for old, new in pairs:
        after = after.replace(old.encode(), new.encode())
    if after == before:
        return False
    path.write_bytes(after)
    return True


def compress(folder: Path) -> None:
    """Beside each text file its gzip and zstd forms, where they are smaller."""
    files = [path for path in folder.rglob("*") if path.suffix in TEXT and path.stat().st_size > SMALL_BYTES]
    files.sort(key=lambda path: -path.stat().st_size)
    with ProcessPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(compress_one, files), 1):
            progress("compressing", done, len(files))


def compress_one(path: Path) -> None:
    """Write ``path.gz`` and ``path.zst``."""
    data = path.read_bytes()
    for suffix, squeeze in coders():
        squeezed = squeeze(data)
        if len(squeezed) < len(data) * 0.95:
            path.with_name(path.name + suffix).write_bytes(squeezed)


def coders() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    """The codings made ahead; zstd where its library is installed."""
    yield ".gz", lambda data: gzip.compress(data, GZIP_LEVEL, mtime=0)
    try:
        import zstandard
    except ImportError:
        return
    yield ".zst", zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_content_size=True).compress


def progress(what: str, done: int, total: int) -> None:
    """One line that counts, or on a log a line at the end."""
    if sys.stdout.isatty():
        print(f"\rviewer: {what} {done}/{total}", end="\n" if done == total else "", flush=True)  # noqa: T201
    elif done == total:
        say(f"{what} {total} files")


def say(text: str) -> None:
    print(f"viewer: {text}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
