"""A cine as a video (PS3.18 table 8.7.4-1: video/mp4 of multi-frame images)."""

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures.served import Served, multipart_of
from tests.fixtures.viewer_objects import cine, part10

from filmroom.archive.moving import ffmpeg

pytestmark = pytest.mark.capability("6.2.2")
MP4 = {"accept": "video/mp4"}


async def test_a_cine_becomes_a_video_that_others_read(served: Served, tmp_path: Path) -> None:
    made = cine(frames=12, rows=61, columns=80)
    body, media = multipart_of([part10(made)])
    assert (await served.client.post("/dicom-web/studies", content=body, headers={"content-type": media})).is_success
    instance = (
        f"/dicom-web/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
    )
    got = await served.client.get(f"{instance}/rendered", headers=MP4)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "video/mp4"
    assert got.content[4:8] == b"ftyp"
    path = tmp_path / "cine.mp4"
    path.write_bytes(got.content)
    said = subprocess.run(
        [ffmpeg().replace("ffmpeg", "ffprobe"), "-v", "error", "-count_frames", "-show_streams", "-of", "json", path],
        capture_output=True,
        check=True,
    )
    [stream] = json.load(io.BytesIO(said.stdout))["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("h264", 80, 62)
    assert (stream["nb_read_frames"], stream["r_frame_rate"]) == ("12", "25/1")
    raw = subprocess.run(
        [ffmpeg(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"],
        capture_output=True,
        check=True,
    )
    shown = np.frombuffer(raw.stdout, "u1").reshape(12, 62, 80)
    means = shown[:, :61].mean(axis=(1, 2))
    assert np.all(np.diff(means) > 5), "each frame is brighter than the last, as it was made"
    again = await served.client.get(f"{instance}/rendered", headers=MP4 | {"if-none-match": got.headers["etag"]})
    assert again.status_code == 304


async def test_a_still_image_is_no_video(served: Served) -> None:
    study, [item] = await served.stored("ct", 1)
    instance = f"/dicom-web/studies/{study.uid}/series/{study.series_uid}/instances/{item.sop_uid}"
    for path in ("/rendered", "/frames/1/rendered"):
        assert (await served.client.get(instance + path, headers=MP4)).status_code == 406
