"""One byte range of a request (RFC 9110 14.2)."""

import re

from filmroom.net.web.errors import Refused

_ONE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*")


def asked_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """Start and length of the range asked for; None when there is none, or it is one to ignore (several, odd unit).

    Raises Refused (416) when it lies outside.
    """
    match = _ONE.fullmatch(header or "")
    if match is None or match[0] == "" or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size_bytes - int(match[2])), size_bytes
    else:
        start, end = int(match[1]), min(size_bytes, int(match[2]) + 1 if match[2] else size_bytes)
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise Refused(416, "the range lies outside", {"content-range": f"bytes */{size_bytes}"})
    return start, end - start
