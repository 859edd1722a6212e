"""Frames as an MP4 video, by the ``ffmpeg`` program where one is installed (docs/decisions/0018)."""

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Final

import numpy as np

from filmroom.base.errors import NotReadable, Unsupported
from filmroom.dicom.render_picture import Picture

MP4: Final = "video/mp4"
# At 30 frames a second more than a minute; longer runs are thinned out.
MAX_VIDEO_FRAMES: Final = 2000
# H.264 in fragments: needs no seeking while it is written, and plays in every browser.
_CODING: Final = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-threads", "1")
_SHAPE: Final = ("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "pipe:1")
# This coding halves the colour's resolution: sides must be even.
_EVEN: Final = ("-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2")


@functools.cache
def ffmpeg() -> str:
    """The program's path, '' where there is none."""
    return shutil.which("ffmpeg") or ""


def write_mp4(pictures: Iterable[Picture], frame_ms: float) -> bytes:
    """Pictures of one size as a video. Raises Unsupported without ffmpeg, NotReadable when there are no pictures."""
    if not ffmpeg():
        raise Unsupported("this server makes no videos: ffmpeg is not installed")
    waiting = iter(pictures)
    first = next(waiting, None)
    if first is None:
        raise NotReadable("there is nothing to show")
    rows, columns = first.shape[:2]
    kind = "rgb24" if first.ndim == 3 else "gray"
    source = ("-f", "rawvideo", "-pix_fmt", kind, "-s", f"{columns}x{rows}", "-r", f"{1000 / max(1.0, frame_ms):.4f}")
    command = [ffmpeg(), "-v", "error", "-nostdin", *source, "-i", "pipe:0", *_EVEN, *_CODING, *_SHAPE]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=said) as running:
            assert running.stdin is not None
            try:
                running.stdin.write(np.ascontiguousarray(first).data)
                for picture in waiting:
                    running.stdin.write(np.ascontiguousarray(picture).data)
                running.stdin.close()
            except BaseException:
                running.kill()
                raise
            if running.wait() != 0:
                raise Unsupported("ffmpeg could not make a video of these frames")
        out.seek(0)
        return out.read()
