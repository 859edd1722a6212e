"""Pages and scripts of ours below the path of a proxy: addresses in them that begin at the root of our site are moved.

A site built for one place (the console at ``/console/``) is moved as a linker moves code: each quoted path that begins
with a folder of ours gets the prefix. Our folders are few and named here; the browser tests walk the moved site.
"""

import re
from typing import Final

FOLDERS: Final = "api|console|dicom-web|docs|favicon.ico|healthz|login|logout|readyz|share|static|viewer|wado"
# After a quote; before the end of the path segment.
_ROOTED = re.compile(rb"""(?<=["'`])/(?=(?:%s)(?:[/"'`?#]|\$\{))""" % FOLDERS.encode())
_ROOTED_STYLE = re.compile(rb"url\(/(?=console/|static/|viewer/)")


def moved(text: bytes, prefix: str) -> bytes:
    """A page, script or style sheet for a browser that sees us below ``prefix``."""
    if not prefix:
        return text
    before = prefix.encode("ascii")
    return _ROOTED_STYLE.sub(b"url(" + before + b"/", _ROOTED.sub(before + b"/", text))
