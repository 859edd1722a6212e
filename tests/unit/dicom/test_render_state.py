"""Presentation states (PS3.3 A.33, PS3.4 N.2) against what numpy makes of the same sentences."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.fixtures import phantom

from filmroom.base.errors import NotReadable, Unsupported
from filmroom.dicom.pixels_object import StoredObject
from filmroom.dicom.render import presentation
from filmroom.dicom.render_picture import PNG, RenderParams, Viewport
from filmroom.dicom.render_staged import staged
from filmroom.dicom.render_state import GREYSCALE, softcopy

pytestmark = pytest.mark.capability("6.2.2")

SOP_UID = "2.25.1"
PLAIN = RenderParams(media_type=PNG)


def item(**values: Any) -> Dataset:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def state(**values: Any) -> Dataset:
    """A greyscale state about the phantom."""
    image = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.7", ReferencedSOPInstanceUID=SOP_UID)
    series = item(SeriesInstanceUID="2.25.9", ReferencedImageSequence=Sequence([image]))
    whole = {"SOPClassUID": GREYSCALE, "SOPInstanceUID": "2.25.2", "ReferencedSeriesSequence": Sequence([series])}
    return item(**(whole | values))


def shown(image: bytes, dataset: Dataset, params: RenderParams = PLAIN) -> NDArray[Any]:
    stored = StoredObject.of(image, phantom.EXPLICIT)
    own = presentation(stored.attributes, 0)
    said = StoredObject.of(phantom.encode(dataset), phantom.EXPLICIT).attributes
    return staged(stored.pixels().decoded(0), own, softcopy(said, SOP_UID, 0, own), params)


def window(center: float, width: float, **more: Any) -> Sequence:
    return Sequence([item(WindowCenter=str(center), WindowWidth=str(width), **more)])


def linear(values: NDArray[Any], center: float, width: float) -> NDArray[Any]:
    return np.clip(((values - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)


def test_the_state_replaces_the_grey_pipeline_of_the_image():
    pixels = phantom.slope(top=4095)
    image = phantom.native(pixels, RescaleSlope="3", RescaleIntercept="9", WindowCenter="1", WindowWidth="2")
    ours = shown(image, state(RescaleSlope="2", RescaleIntercept="-1000", SoftcopyVOILUTSequence=window(2000, 3000)))
    np.testing.assert_allclose(ours, linear(pixels * 2.0 - 1000, 2000, 3000), atol=0.51)
    untouched = shown(image, state(SoftcopyVOILUTSequence=window(2000, 3000)))
    np.testing.assert_allclose(untouched, linear(pixels.astype(float), 2000, 3000), atol=0.51)


def test_only_the_shape_of_the_state_inverts():
    pixels = phantom.slope(top=255, dtype="u1")
    image = phantom.native(pixels, PhotometricInterpretation="MONOCHROME1")
    voi = window(128, 256)
    plain = shown(image, state(SoftcopyVOILUTSequence=voi))
    np.testing.assert_allclose(plain, linear(pixels.astype(float), 128, 256), atol=0.51)
    inverse = shown(image, state(SoftcopyVOILUTSequence=voi, PresentationLUTShape="INVERSE"))
    np.testing.assert_allclose(inverse, 255 - plain.astype(float), atol=1)


def test_presentation_table():
    pixels = phantom.slope(top=255, dtype="u1")
    entries = [round((n / 255) ** 2 * 65_535) for n in range(256)]
    table = item(LUTDescriptor=[256, 0, 16])
    table.add_new(0x00283006, "OW", np.array(entries, "<u2").tobytes())
    ours = shown(
        phantom.native(pixels),
        state(SoftcopyVOILUTSequence=window(128, 256), PresentationLUTSequence=Sequence([table])),
    )
    index = np.rint(linear(pixels.astype(float), 128, 256)).astype(int)
    np.testing.assert_allclose(ours, np.array(entries)[index] / 65_535 * 255, atol=0.51)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", ["N", "Y"])
def test_rotation_clockwise_then_flip(degrees: int, flip: str):
    pixels = phantom.slope(top=255, dtype="u1")
    dataset = state(SoftcopyVOILUTSequence=window(128, 256), ImageRotation=degrees, ImageHorizontalFlip=flip)
    expected = np.rot90(linear(pixels.astype(float), 128, 256), -degrees // 90)
    expected = expected[:, ::-1] if flip == "Y" else expected
    np.testing.assert_allclose(shown(phantom.native(pixels), dataset), expected, atol=0.51)


def area(left: int, top: int, right: int, bottom: int, **more: Any) -> Sequence:
    return Sequence(
        [
            item(
                DisplayedAreaTopLeftHandCorner=[left, top],
                DisplayedAreaBottomRightHandCorner=[right, bottom],
                PresentationSizeMode="SCALE TO FIT",
                PresentationPixelAspectRatio=more.get("ratio", [1, 1]),
            )
        ]
    )


def test_displayed_area_cuts_and_pads_with_black():
    pixels = phantom.slope(24, 30, top=255, dtype="u1")
    pixels[pixels < 20] = 20
    image, voi = phantom.native(pixels), window(128, 256)
    inside = shown(image, state(SoftcopyVOILUTSequence=voi, DisplayedAreaSelectionSequence=area(5, 3, 14, 20)))
    np.testing.assert_allclose(inside, linear(pixels.astype(float), 128, 256)[2:20, 4:14], atol=0.51)
    wide = shown(image, state(SoftcopyVOILUTSequence=voi, DisplayedAreaSelectionSequence=area(-4, 1, 30, 24)))
    assert wide.shape == (24, 35)
    assert wide[:, :5].max() == 0
    assert wide[:, 5:].min() > 0


def test_displayed_area_with_a_viewport_and_pixels_that_are_not_square():
    image = phantom.native(phantom.slope(20, 20, top=255, dtype="u1"))
    dataset = state(DisplayedAreaSelectionSequence=area(1, 1, 20, 20, ratio=[2, 1]))
    assert shown(image, dataset).shape == (40, 20)
    assert shown(image, dataset, RenderParams(media_type=PNG, viewport=Viewport(100, 100))).shape == (100, 50)
    turned = state(DisplayedAreaSelectionSequence=area(1, 1, 20, 20, ratio=[2, 1]), ImageRotation=90)
    assert shown(image, turned).shape == (10, 20)


@pytest.mark.parametrize(
    ("shutter", "visible"),
    [
        (
            {"ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": 11, "ShutterRightVerticalEdge": 20,
             "ShutterUpperHorizontalEdge": 6, "ShutterLowerHorizontalEdge": 15},
            (slice(5, 15), slice(10, 20)),
        ),
        ({"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [20, 20], "RadiusOfCircularShutter": 10}, None),
        (
            {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [5, 5, 5, 35, 35, 20]},
            None,
        ),
    ],
)  # fmt: skip
def test_shutters_hide_what_is_outside(shutter: dict[str, Any], visible: tuple[slice, slice] | None):
    pixels = np.full((40, 40), 200, "u1")
    dataset = state(SoftcopyVOILUTSequence=window(128, 256), ShutterPresentationValue=0x4000, **shutter)
    ours = shown(phantom.native(pixels), dataset)
    assert set(np.unique(ours)) == {0x40, 200}
    if visible is not None:
        mask = np.zeros((40, 40), bool)
        mask[visible] = True
        np.testing.assert_array_equal(ours == 200, mask)
    else:
        assert ours[19, 19] == 200
        assert {ours[0, 0], ours[0, 39], ours[39, 0]} == {0x40}


def graphics(*objects: Dataset, texts: tuple[Dataset, ...] = ()) -> dict[str, Sequence]:
    layer = item(GraphicLayer="ONE", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=0xFFFF)
    drawn = item(GraphicLayer="ONE")
    if objects:
        drawn.GraphicObjectSequence = Sequence(objects)
    if texts:
        drawn.TextObjectSequence = Sequence(texts)
    return {"GraphicLayerSequence": Sequence([layer]), "GraphicAnnotationSequence": Sequence([drawn])}


def line(kind: str, points: list[float], units: str = "PIXEL", filled: str = "N") -> Dataset:
    return item(
        GraphicAnnotationUnits=units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points) // 2,
        GraphicData=points,
        GraphicType=kind,
        GraphicFilled=filled,
    )


def test_lines_follow_the_image_when_it_is_turned():
    image = phantom.native(np.zeros((40, 60), "u1"))
    drawn = graphics(line("POLYLINE", [10.5, 5.5, 50.5, 5.5]))
    voi = {"SoftcopyVOILUTSequence": window(128, 256)}
    straight = shown(image, state(**drawn, **voi))
    assert (straight[5, 10:50] == 255).all()
    turned = shown(image, state(ImageRotation=90, **drawn, **voi))
    assert turned.shape == (60, 40)
    lit = np.argwhere(turned == 255)
    assert {x for _, x in lit} <= {33, 34, 35}
    assert lit[:, 0].min() <= 11
    assert lit[:, 0].max() >= 49


def test_shapes_and_texts_are_drawn():
    image = phantom.native(np.zeros((200, 200), "u1"))
    voi = {"SoftcopyVOILUTSequence": window(128, 256)}
    circle = shown(image, state(**graphics(line("CIRCLE", [100, 100, 150, 100])), **voi))
    assert circle[100, 148:153].max() == 255
    assert circle[48:53, 100].max() == 255
    assert circle[100, 100] == 0
    ellipse = shown(image, state(**graphics(line("ELLIPSE", [50, 100, 150, 100, 100, 80, 100, 120])), **voi))
    assert ellipse[100, 148:153].max() == 255
    assert ellipse[78:83, 100].max() == 255
    full = shown(image, state(**graphics(line("POLYLINE", [0.2, 0.2, 0.8, 0.2, 0.5, 0.8], "DISPLAY", "Y")), **voi))
    assert full[80, 100] == 255
    words = item(
        BoundingBoxAnnotationUnits="PIXEL",
        UnformattedTextValue="结节 15 mm",
        BoundingBoxTopLeftHandCorner=[20.0, 20.0],
        BoundingBoxBottomRightHandCorner=[120.0, 40.0],
        BoundingBoxTextHorizontalJustification="LEFT",
    )
    written = shown(image, state(SpecificCharacterSet="GB18030", **graphics(texts=(words,)), **voi))
    assert written[20:45, 20:120].max() > 200


def test_a_state_about_other_images_or_of_another_kind_is_refused():
    image = phantom.native(phantom.slope(top=255, dtype="u1"))
    other = state()
    other.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID = "2.25.77"
    with pytest.raises(NotReadable):
        shown(image, other)
    with pytest.raises(NotReadable):
        shown(image, state(ImageRotation=45))
    with pytest.raises(Unsupported):
        shown(image, state(SOPClassUID="1.2.840.10008.5.1.4.1.1.11.4"))
