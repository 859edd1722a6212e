"""Rendering against an independent reference: pydicom's LUT functions and plain numpy."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.sequence import Sequence
from tests.fixtures import phantom

from filmroom.base.errors import NotReadable, RemoteFault, Unsupported
from filmroom.dicom.pixels_object import StoredObject
from filmroom.dicom.render import Presentation, picture, presentation, render_object
from filmroom.dicom.render_luts import Shape, Window, expand_segments
from filmroom.dicom.render_params import viewport_parameter, window_parameter
from filmroom.dicom.render_picture import GIF, JPEG, PNG, RenderParams, Viewport, thumbnail

pytestmark = pytest.mark.capability("6.2.2")


def shown(data: bytes, params: RenderParams | None = None, frame: int = 0) -> NDArray[Any]:
    file = render_object(StoredObject.of(data, phantom.EXPLICIT), frame, params or RenderParams(media_type=PNG))
    return np.asarray(Image.open(io.BytesIO(file)))


def scaled(values: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    return np.clip((values.astype(float) - low) / (high - low) * 255, 0, 255)


def close(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float = 0.51) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.astype(float), theirs, atol=tolerance)


GREYS = [
    phantom.slope(top=255, dtype="u1"),
    phantom.slope(top=4095, dtype="<u2"),
    phantom.slope(top=65_535, dtype="<u2"),
    phantom.slope(top=2000, dtype="<i2"),
    phantom.slope(top=100_000, dtype="<i4"),
]


@pytest.mark.parametrize("function", list(Shape))
@pytest.mark.parametrize("pixels", GREYS, ids=lambda p: str(p.dtype) + str(p.max()))
def test_rescale_and_window(pixels: NDArray[Any], function: Shape):
    data = phantom.native(
        pixels,
        RescaleSlope="1.5",
        RescaleIntercept="-100",
        WindowCenter=["300", "40"],
        WindowWidth=["777", "80"],
        VOILUTFunction=function.value,
    )
    values = pixels.astype(float) * 1.5 - 100
    if function is Shape.LINEAR:
        plain = np.where(
            values <= 299.5 - 388, 0, np.where(values > 299.5 + 388, 255, ((values - 299.5) / 776 + 0.5) * 255)
        )
    elif function is Shape.LINEAR_EXACT:
        plain = np.where(
            values <= 300 - 388.5, 0, np.where(values > 300 + 388.5, 255, ((values - 300) / 777 + 0.5) * 255)
        )
    else:
        plain = 255 / (1 + np.exp(np.clip(-4 * (values - 300) / 777, -700, 700)))
    close(shown(data), plain)


def test_window_agrees_with_pydicom():
    pixels = phantom.slope(top=255, dtype="u1")
    data = phantom.native(pixels, WindowCenter="100", WindowWidth="120")
    close(shown(data), apply_voi_lut(pixels, phantom.decode(data)))


def test_without_a_window_the_range_of_the_data_is_shown():
    pixels = phantom.slope(top=900, dtype="<i2")
    close(shown(phantom.native(pixels)), scaled(pixels, pixels.min(), pixels.max()))


def test_flat_images_do_not_divide_by_nothing():
    assert shown(phantom.native(np.full((4, 4), 7, "<u2"))).max() == 0


def table(entries: list[int], first: int, bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.add_new(0x00283006, "OW", struct.pack(f"<{len(entries)}H", *entries))
    return Sequence([item])


def test_modality_table_clamps_at_both_ends():
    entries = [int(v) for v in np.linspace(0, 60_000, 100) ** 0.9]
    pixels = phantom.slope(top=255, dtype="u1")
    data = phantom.native(pixels, ModalityLUTSequence=table(entries, 50, 16))
    values = np.array(entries)[np.clip(pixels.astype(int) - 50, 0, 99)]
    close(shown(data), scaled(values, values.min(), values.max()))
    np.testing.assert_array_equal(values, apply_modality_lut(pixels, phantom.decode(data)))


def test_voi_table():
    entries = [int(v) for v in np.linspace(4095, 0, 4096)]
    pixels = phantom.slope(top=4095, dtype="<u2")
    data = phantom.native(pixels, BitsStored=12, HighBit=11, VOILUTSequence=table(entries, 0, 12))
    close(shown(data), apply_voi_lut(pixels, phantom.decode(data)) / 4095 * 255)


@pytest.mark.parametrize("name", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_table_left_empty_is_no_table(name: str):
    """Some writers put the sequence there with every attribute empty."""
    item = Dataset()
    item.LUTDescriptor = None
    item.add_new(0x00283006, "OW", b"")
    pixels = phantom.slope(top=900, dtype="<i2")
    close(shown(phantom.native(pixels, **{name: Sequence([item])})), scaled(pixels, pixels.min(), pixels.max()))


@pytest.mark.parametrize("extra", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}])
def test_inversion(extra: dict[str, str]):
    pixels = phantom.slope(top=255, dtype="u1")
    data = phantom.native(pixels, **extra)
    close(shown(data), 255 - scaled(pixels, pixels.min(), pixels.max()))


def test_monochrome1_with_inverse_shape_is_inverted_once():  # PS3.3 C.8.11.3.1.2
    pixels = phantom.slope(top=255, dtype="u1")
    data = phantom.native(pixels, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    close(shown(data), 255 - scaled(pixels, pixels.min(), pixels.max()))


def test_padding_is_black_and_does_not_stretch_the_window():
    pixels = phantom.slope(top=1000, dtype="<i2")
    pixels[:5] = -32768
    pixels[5] = -32000
    data = phantom.native(pixels, PixelPaddingValue=-32768, PixelPaddingRangeLimit=-31000)
    ours = shown(data)
    assert ours[:6].max() == 0
    kept = pixels[6:]
    close(ours[6:], scaled(kept, kept.min(), kept.max()))


def test_bits_above_bits_stored_are_not_shown():
    pixels = phantom.slope(top=4095, dtype="<u2")
    data = phantom.native(pixels | 0xF000, BitsStored=12, HighBit=11)
    close(shown(data), scaled(pixels, pixels.min(), pixels.max()))
    signed = (phantom.slope(top=2000, dtype="<i2").view("<u2") & 0x0FFF).view("<i2")
    data = phantom.native(signed, BitsStored=12, HighBit=11)
    plain = phantom.slope(top=2000, dtype="<i2")
    close(shown(data), scaled(plain, plain.min(), plain.max()))


def test_float_pixels():
    pixels = phantom.slope(top=255, dtype="u1").astype("<f4") / 3
    dataset = phantom.attributes(np.zeros(pixels.shape, "<u4"))
    dataset.FloatPixelData = pixels.tobytes()
    close(shown(phantom.encode(dataset)), scaled(pixels, pixels.min(), pixels.max()))


def coloured(name: str) -> tuple[bytes, NDArray[Any]]:
    rgb = phantom.colours()
    samples = rgb if name == "RGB" else convert_color_space(rgb, "RGB", name)
    return phantom.native(samples, PhotometricInterpretation=name), convert_color_space(samples, name, "RGB")


@pytest.mark.parametrize("name", ["RGB", "YBR_FULL"])
def test_colour(name: str):
    data, expected = coloured(name)
    close(shown(data), expected, 1)


def test_subsampled_colour():
    y, cb, cr = 120, 90, 200
    value = bytes([y, y, cb, cr] * (4 * 6 // 2))
    data = phantom.native(np.zeros((4, 6, 3), "u1"), PhotometricInterpretation="YBR_FULL_422", PixelData=value)
    expected = convert_color_space(np.full((4, 6, 3), (y, cb, cr), "u1"), "YBR_FULL", "RGB")
    close(shown(data), expected, 1)


def test_colour_of_sixteen_bits():
    array = phantom.colours(dtype="<u2")
    close(shown(phantom.native(array)), array >> 8)


def paletted(pixels: NDArray[Any], bits: int, entries: int, first: int = 0) -> bytes:
    ramp = (np.arange(entries) * (2**bits - 1) // max(1, entries - 1)).astype("<u2")
    channels = [ramp, ramp[::-1], np.roll(ramp, entries // 3)]
    extra: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, channel in zip(("Red", "Green", "Blue"), channels, strict=True):
        extra[f"{colour}PaletteColorLookupTableDescriptor"] = [entries % 65_536, first, bits]
        value = channel.astype("u1").tobytes() if bits == 8 else channel.tobytes()
        extra[f"{colour}PaletteColorLookupTableData"] = value + b"\0" * (len(value) % 2)
    return phantom.native(pixels, **extra)


@pytest.mark.parametrize(
    ("dtype", "bits", "entries", "first"), [("u1", 8, 256, 0), ("u1", 16, 256, 0), ("<u2", 16, 4000, 20)]
)
def test_palettes(dtype: str, bits: int, entries: int, first: int):
    pixels = phantom.slope(top=255 if dtype == "u1" else 4095, dtype=dtype)
    data = paletted(pixels, bits, entries, first)
    expected = apply_color_lut(pixels, phantom.decode(data))
    close(shown(data), expected >> 8 if bits == 16 else expected)


@pytest.mark.filterwarnings("ignore")
def test_palette_indices_outside_the_table_take_its_end():
    pixels = phantom.slope(top=65_535, dtype="<u2")
    pixels[0, 0] = 0
    ours = shown(paletted(pixels, 16, 10, 5))
    assert ours[-1, -1, 0] == 255
    assert ours[0, 0, 0] == 0


def test_segmented_palette():  # PS3.3 C.7.9.2.2: discrete, linear, then both again by reference
    values = [0, 2, 10, 20, 1, 4, 60, 2, 2, 0, 0]
    assert expand_segments(values, 12).tolist() == [10, 20, 30, 40, 50, 60, 10, 20, 30, 40, 50, 60]
    for bad in ([2, 1, 0, 0], [9, 9, 9], [1, 5, 7], [0, 2, 10, 20, 2, 1, 4, 0, 0]):
        with pytest.raises(NotReadable):
            expand_segments(bad, 12)


def test_tables_shorter_than_they_say_are_not_readable():
    short = table([1, 2, 3], 0, 16)
    short[0].LUTDescriptor = [4096, 0, 16]
    with pytest.raises(NotReadable):
        shown(phantom.native(phantom.slope(), VOILUTSequence=short))
    broken = phantom.decode(paletted(phantom.slope(top=255, dtype="u1"), 16, 256))
    broken.RedPaletteColorLookupTableDescriptor = [0, 0, 16]
    with pytest.raises(NotReadable):
        shown(phantom.encode(broken))


def test_enhanced_frames_have_their_own_values():
    frames = np.stack([phantom.slope(top=1000, dtype="<u2")] * 3)

    def group(slope: float | None, center: float | None) -> Dataset:
        item = Dataset()
        if slope is not None:
            rescale = Dataset()
            rescale.RescaleSlope, rescale.RescaleIntercept = str(slope), "0"
            item.PixelValueTransformationSequence = Sequence([rescale])
        if center is not None:
            voi = Dataset()
            voi.WindowCenter, voi.WindowWidth = str(center), "500"
            item.FrameVOILUTSequence = Sequence([voi])
        return item

    data = phantom.native(
        frames,
        SharedFunctionalGroupsSequence=Sequence([group(2.0, 600)]),
        PerFrameFunctionalGroupsSequence=Sequence([group(None, None), group(None, 900), group(0.5, None)]),
    )
    attributes = StoredObject.of(data, phantom.EXPLICIT).attributes
    looks = [presentation(attributes, n) for n in range(3)]
    assert [(look.slope, look.window.center) for look in looks if look.window] == [(2, 600), (2, 900), (0.5, 600)]
    assert not np.array_equal(shown(data, frame=0), shown(data, frame=1))


def test_viewport_crops_flips_and_keeps_the_ratio():  # PS3.18 8.3.5.1.4
    pixels = np.arange(16 * 8, dtype="u1").reshape(16, 8)
    data = phantom.native(pixels, WindowCenter="128", WindowWidth="256")

    def view(text: str) -> NDArray[Any]:
        return shown(data, RenderParams(media_type=PNG, viewport=viewport_parameter(text)))

    assert view("32,32").shape == (32, 16)
    np.testing.assert_array_equal(view("4,4,2,3,4,4"), shown(data)[3:7, 2:6])
    np.testing.assert_array_equal(view("4,4,2,3,-4,4"), shown(data)[3:7, 2:6][:, ::-1])
    np.testing.assert_array_equal(view("4,4,2,3,4,-4"), shown(data)[3:7, 2:6][::-1])
    assert view("4,4,,,,").shape == (4, 2)
    with pytest.raises(RemoteFault):
        view("4,4,100,0,4,4")


@pytest.mark.parametrize("text", ["", "1", "0,5", "a,b", "4,4,4", "99999999,1", "4,4,nan,0,1,1", "-1,5", "1e3,5"])
def test_bad_viewports(text: str):
    with pytest.raises(RemoteFault):
        viewport_parameter(text)


@pytest.mark.parametrize(
    "text", ["", "1", "a,b", "40,0", "40,-1,linear", "40,80,cubic", "nan,1", "1,2,linear,4", "1,0.5"]
)
def test_bad_windows(text: str):
    with pytest.raises(RemoteFault):
        window_parameter(text)


def test_window_parameter_replaces_the_objects_own():
    assert window_parameter("40,400,linear-exact") == Window(40, 400, Shape.LINEAR_EXACT)
    pixels = phantom.slope(top=1000, dtype="<u2")
    data = phantom.native(pixels, WindowCenter="1", WindowWidth="2")
    params = RenderParams(media_type=PNG, window=Window(500, 1000, Shape.LINEAR_EXACT))
    close(shown(data, params), scaled(pixels, 0, 1000))


@pytest.mark.parametrize(("media_type", "kind"), [(JPEG, "JPEG"), (PNG, "PNG"), (GIF, "GIF")])
@pytest.mark.parametrize("pixels", [GREYS[0], phantom.colours()], ids=["grey", "colour"])
def test_media_types(pixels: NDArray[Any], media_type: str, kind: str):
    stored = StoredObject.of(phantom.native(pixels), phantom.EXPLICIT)
    file = render_object(stored, 0, RenderParams(media_type=media_type))
    assert Image.open(io.BytesIO(file)).format == kind
    with pytest.raises(Unsupported):
        render_object(stored, 0, RenderParams(media_type="image/webp"))


def test_quality_counts():
    stored = StoredObject.of(phantom.native(phantom.slope(200, 200)), phantom.EXPLICIT)
    sizes = [len(render_object(stored, 0, RenderParams(quality=q))) for q in (10, 50, 95)]
    assert sizes == sorted(sizes)
    assert Image.open(io.BytesIO(render_object(stored, 0, thumbnail(64)))).size == (64, 64)


def test_a_part_larger_than_the_image_is_what_there_is():
    data = phantom.native(GREYS[0])
    view = RenderParams(media_type=PNG, viewport=Viewport(30, 24, 0, 0, 1000, 1000))
    assert shown(data, view).shape == (24, 30)


def test_retired_interpretations_are_unsupported():
    frame = StoredObject.of(phantom.native(phantom.colours(), PhotometricInterpretation="HSV"), phantom.EXPLICIT)
    with pytest.raises(Unsupported):
        picture(frame.pixels().decoded(0), Presentation())
