"""Frames for viewers that show something before they have everything: HTJ2K on request, small resolutions first."""

import imagecodecs
import numpy as np
import pytest
from tests.fixtures.served import Served
from tests.fixtures.strict_multipart import strict_parts

HTJ2K, RPCL = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202"
RAW = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'

pytestmark = pytest.mark.capability("6.2.7")


async def _frame(served: Served, address: str, accept: str) -> tuple[str, bytes]:
    got = await served.client.get(address, headers={"accept": accept})
    assert got.status_code == 200, got.text
    _, [(headers, data)] = strict_parts(got.headers["content-type"], got.content)
    return headers["content-type"], data


@pytest.mark.parametrize("syntax", [HTJ2K, RPCL])
async def test_a_beginning_of_a_frame_is_a_smaller_picture(served: Served, syntax: str) -> None:
    study, [item] = await served.stored("ct", 1)
    instance = f"/dicom-web/studies/{study.uid}/series/{study.series_uid}/instances/{item.sop_uid}"
    _, raw = await _frame(served, f"{instance}/frames/1", RAW)
    kind, data = await _frame(
        served, f"{instance}/frames/1", f'multipart/related; type="image/jphc"; transfer-syntax={syntax}'
    )
    assert kind == f"image/jphc; transfer-syntax={syntax}"
    whole = imagecodecs.htj2k_decode(data)
    original = np.frombuffer(raw, whole.dtype).reshape(whole.shape)
    assert np.array_equal(whole, original), "the whole of it loses nothing"

    small = imagecodecs.htj2k_decode(data, skipres=2)
    early = imagecodecs.htj2k_decode(data[: len(data) // 3], skipres=2, resilient=True)
    assert early.shape == (whole.shape[0] // 4, whole.shape[1] // 4)
    assert np.array_equal(early, small), "a third of the bytes holds all of a quarter's picture"
