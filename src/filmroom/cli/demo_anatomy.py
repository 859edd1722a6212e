"""A body made of ellipses, drawn slice by slice: the pictures of the sample hospital. All lengths in millimetres.

x grows to the patient's left, y to the back, z to the head, as in DICOM's patient coordinates (PS3.3 C.7.6.2.1.1).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Point = tuple[float, float, float]


class Canvas:
    """One slice: a square of ``size`` pixels, ``spacing`` mm each, with its middle at the origin."""

    def __init__(self, size: int, spacing: float, background: float) -> None:
        self.size, self.spacing = size, spacing
        self.pixels: Image = np.full((size, size), background, np.float32)
        self._axis = ((np.arange(size) - (size - 1) / 2) * spacing).astype(np.float32)

    def ellipse(self, x: float, y: float, rx: float, ry: float, value: float, *, angle: float = 0.0) -> None:
        """Fill an ellipse; its rim is blended over about one pixel."""
        if min(rx, ry) <= 0.2:
            return
        reach = max(rx, ry) if angle else 0.0
        columns, rows = self._span(x, reach or rx), self._span(y, reach or ry)
        dx, dy = self._axis[columns][None, :] - x, self._axis[rows][:, None] - y
        if angle:
            c, s = math.cos(angle), math.sin(angle)
            dx, dy = dx * c + dy * s, dy * c - dx * s
        inside = 1.0 - ((dx / rx) ** 2 + (dy / ry) ** 2)
        part = self.pixels[rows, columns]
        part += np.clip(inside * (min(rx, ry) / (2 * self.spacing)) + 0.5, 0.0, 1.0) * (value - part)

    def ball(self, centre: Point, radii: Point, value: float, z: float) -> None:
        """The cut at height ``z`` through an ellipsoid."""
        rest = 1.0 - ((z - centre[2]) / radii[2]) ** 2
        if rest > 0:
            shrink = math.sqrt(rest)
            self.ellipse(centre[0], centre[1], radii[0] * shrink, radii[1] * shrink, value)

    def _span(self, middle: float, radius: float) -> slice:
        low = int((middle - radius) / self.spacing + self.size / 2) - 2
        high = int((middle + radius) / self.spacing + self.size / 2) + 3
        return slice(min(max(low, 0), self.size), min(max(high, 0), self.size))


@dataclass(frozen=True, slots=True)
class Vessel:
    """A straight piece of a vessel."""

    start: Point
    end: Point
    radius: float

    def draw(self, canvas: Canvas, value: float, z: float) -> None:
        """The cut at height ``z``; vessels that run in the slice are drawn as a row of discs."""
        rise = self.end[2] - self.start[2]
        if abs(rise) > 2 * self.radius:
            at = (z - self.start[2]) / rise
            if 0 <= at <= 1:
                stretch = min(4.0, math.dist(self.start, self.end) / abs(rise))
                x, y = self._point(at)
                direction = math.atan2(self.end[1] - self.start[1], self.end[0] - self.start[0])
                canvas.ellipse(x, y, self.radius * stretch, self.radius, value, angle=direction or 1e-9)
        elif abs(z - (self.start[2] + self.end[2]) / 2) < self.radius:
            steps = max(2, int(math.dist(self.start, self.end) / self.radius))
            for step in range(steps + 1):
                canvas.ellipse(*self._point(step / steps), self.radius, self.radius, value)

    def _point(self, at: float) -> tuple[float, float]:
        return (
            self.start[0] + at * (self.end[0] - self.start[0]),
            self.start[1] + at * (self.end[1] - self.start[1]),
        )


def vessel_tree(root: Point, towards: Point, radius: float, rng: np.random.Generator, depth: int) -> Iterator[Vessel]:
    """A vessel that divides in two at each end."""
    yield Vessel(root, towards, radius)
    if depth == 0:
        return
    length = math.dist(root, towards) * 0.82
    along = np.subtract(towards, root) / (math.dist(root, towards) or 1.0)
    for _ in range(2):
        turned = along + rng.normal(0, 0.45, 3)
        end = np.add(towards, turned / np.linalg.norm(turned) * length)
        yield from vessel_tree(towards, (float(end[0]), float(end[1]), float(end[2])), radius * 0.74, rng, depth - 1)


# Where the trees of the lung vessels grow to, on the left; the right mirrors it.
_LOBES = (
    (80, -25, 215),
    (85, 20, 130),
    (75, 35, 185),
    (70, -30, 140),
    (60, 10, 235),
    (90, 0, 165),
    (60, 45, 105),
    (55, -48, 170),
    (70, 10, 95),
)


class Chest:
    """A chest and upper abdomen in Hounsfield units, from z = 0 to 300."""

    def __init__(self) -> None:
        rng = np.random.default_rng(20)
        self._vessels = [
            vessel
            for side in (-1, 1)
            for target in _LOBES
            for vessel in vessel_tree(
                (side * 32.0, 5.0, 168.0), (side * (target[0] - 25.0), target[1] * 0.6, float(target[2])), 4.6, rng, 5
            )
            if self._in_lung(vessel.end, side)
        ]
        self._noise = rng.standard_normal((6, 512, 512), np.float32)
        self._noise = (self._noise + np.roll(self._noise, 1, 1) + np.roll(self._noise, 1, 2)) * np.float32(7.0)

    @staticmethod
    def _in_lung(point: Point, side: int) -> bool:
        x, y, z = point
        return ((x - side * 74) / 50) ** 2 + ((y - 2) / 72) ** 2 + ((z - 165) / 108) ** 2 < 1

    def slice_at(self, z: float, number: int) -> Image:
        """One axial slice of 512 x 512 pixels of 0.75 mm."""
        canvas = Canvas(512, 0.75, -1000)
        self._wall(canvas, z)
        self._lungs(canvas, z)
        self._middle(canvas, z)
        self._abdomen(canvas, z)
        self._bones(canvas, z)
        canvas.pixels += np.roll(self._noise[number % 6], number * 37, axis=number % 2)
        return canvas.pixels

    def _wall(self, canvas: Canvas, z: float) -> None:
        neck = min(1.0, max(0.0, (z - 262) / 38))
        wide, deep = 172 - 95 * neck**2, 116 - 38 * neck**2
        canvas.ellipse(0, 128, 185, 9, -650)  # the table: a shell of foam
        canvas.ellipse(0, 125, 182, 7, -900)
        canvas.ellipse(0, 0, wide, deep, 20)
        canvas.ellipse(0, 0, wide - 3, deep - 3, -105)
        canvas.ellipse(0, 2, wide - 16, deep - 13, 52)
        for side in (-1, 1):
            canvas.ball((side * 120, 50, 235), (42, 38, 70), 58, z)  # shoulder muscles
            canvas.ball((side * 62, -88, 205), (52, 16, 55), 55, z)
        canvas.ellipse(0, 2, 138 - 92 * neck, 92 - 50 * neck, -60 if z > 100 else -95)

    def _lungs(self, canvas: Canvas, z: float) -> None:
        for side in (-1, 1):
            canvas.ball((side * 74, 2, 165), (55, 80, 116), -865, z)
        for vessel in self._vessels:
            vessel.draw(canvas, 60, z)
        canvas.ball((-88, 18, 204), (7.5, 7, 7), 45, z)  # the nodule, with a fleck of calcium
        canvas.ball((-87, 18, 204), (1.8, 1.8, 1.8), 420, z)
        canvas.ball((95, 40, 120), (3, 3, 3), 30, z)

    def _middle(self, canvas: Canvas, z: float) -> None:
        canvas.ball((4, -8, 190), (36, 52, 95), -70, z)  # mediastinal fat
        canvas.ball((24, -22, 128), (56, 47, 50), 62, z)  # heart
        canvas.ball((40, -18, 124), (29, 25, 33), 105, z)
        canvas.ball((41, -18, 126), (19, 16, 24), 330, z)
        canvas.ball((-6, -38, 130), (26, 20, 30), 290, z)
        canvas.ball((10, 12, 146), (28, 16, 20), 310, z)
        canvas.ball((-22, -10, 142), (17, 20, 24), 270, z)
        if z < 224:
            canvas.ellipse(20, 48, 12.5, 12.5, 320)  # descending aorta
        if 140 < z < 224:
            canvas.ellipse(-10, -20, 16, 16, 330)
        if abs(z - 222) < 12:
            for step in range(30):
                at = step / 29
                canvas.ellipse(-10 + 30 * at, -20 + 68 * at, 12.5, 12.5, 325)  # the arch
        if z > 150:
            canvas.ellipse(-28, -18, 9, 9, 350)  # superior vena cava
        Vessel((2, -2, 178), (-40, 8, 172), 11).draw(canvas, 315, z)  # pulmonary arteries
        Vessel((2, -6, 180), (42, 14, 174), 11).draw(canvas, 315, z)
        canvas.ellipse(6, 34, 7, 6, 35)  # oesophagus
        if z > 186:
            canvas.ellipse(-1, 14, 10.5, 11.5, 40)
            canvas.ellipse(-1, 14, 9, 10, -990)
        for side in (-1, 1):
            Vessel((side * 1.0, 14, 190), (side * 36.0, 20, 160), 6.5).draw(canvas, -960, z)

    def _abdomen(self, canvas: Canvas, z: float) -> None:
        canvas.ball((-58, -4, 24), (88, 78, 74), 112, z)
        if z < 84:
            for x, y in ((-70, 0), (-48, -22), (-90, 22), (-55, 28)):
                canvas.ball((x, y, 30), (4, 9, 40), 165, z)
        canvas.ball((-40, -42, 8), (14, 12, 26), 12, z)
        canvas.ball((70, -22, 38), (48, 44, 46), 38, z)
        canvas.ball((72, -38, 44), (32, 18, 28), -930, z)
        canvas.ball((104, 40, 38), (30, 42, 46), 124, z)
        for side in (-1, 1):
            canvas.ball((side * 64, 58, 2), (27, 29, 52), 185, z)
            canvas.ball((side * 56, 54, 2), (12, 14, 30), -20, z)
            canvas.ball((side * 30, 60, 6), (18, 17, 90), 58, z)

    def _bones(self, canvas: Canvas, z: float) -> None:
        disc = (z % 27) < 5
        canvas.ellipse(0, 66, 21, 17, 95 if disc else 520)
        canvas.ellipse(0, 66, 18.5, 14.5, 85 if disc else 210)
        canvas.ellipse(0, 90, 17, 12, 480)
        canvas.ellipse(0, 89, 9.5, 8.5, 25)
        canvas.ellipse(0, 89, 5, 4.5, 42)
        if (z % 27) < 17:
            canvas.ellipse(0, 106, 4, 10, 430)
            for side in (-1, 1):
                canvas.ellipse(side * 26, 88, 14, 5, 400, angle=side * 0.4)
        if 118 < z < 236:
            canvas.ellipse(0, -92, 18, 6.5, 420)
            canvas.ellipse(0, -92, 15, 4.5, 150)
        for number in range(12):
            self._rib(canvas, z, 290.0 - 24 * number)
        for side in (-1, 1):
            Vessel((side * 14.0, -84, 252), (side * 118.0, -30, 270), 6).draw(canvas, 480, z)
            canvas.ball((side * 112, 76, 226), (34, 5, 44), 430, z)

    @staticmethod
    def _rib(canvas: Canvas, z: float, top: float) -> None:
        """Ribs fall by 62 mm from the spine to the breast, so that a slice cuts each one twice, left and right."""
        fall = (top - z) / 62
        if not 0 < fall < 0.94:
            return
        theta = math.pi * fall
        narrow = min(1.0, 0.55 + (300 - top) / 160)
        for side in (-1, 1):
            x, y = side * 143 * narrow * math.sin(theta), 90 * math.cos(theta) + 2
            along = math.atan2(-90 * math.sin(theta), side * 143 * narrow * math.cos(theta))
            canvas.ellipse(x, y, 13, 4.6, 560, angle=along)
            canvas.ellipse(x, y, 11, 2.8, 220, angle=along)


# Signal of each tissue in T1 and T2 weighting: scalp, skull, fluid, grey matter, white matter, deep grey, lesion.
T1 = (620.0, 60.0, 90.0, 340.0, 470.0, 390.0, 240.0)
T2 = (420.0, 40.0, 900.0, 480.0, 330.0, 400.0, 720.0)


def brain_slice(z: float, tissue: Sequence[float], rng: np.random.Generator) -> Image:
    """One axial slice of a head, 256 x 256 pixels of 0.94 mm; z = 0 in its middle, 75 at the top."""
    scalp, skull, fluid, grey, white, deep, lesion = tissue
    canvas = Canvas(256, 0.94, 0)
    for radii, value in (((84, 104, 96), scalp), ((79, 99, 91), skull), ((74, 94, 86), fluid)):
        canvas.ball((0, 0, -12), radii, value, z)
    for value, depth, folds in ((grey, 0.0, 0.035), (white, 0.1, 0.075)):
        _folded(canvas, z, value, depth, folds)
    for side in (-1, 1):
        canvas.ball((side * 14, -14, 8), (8, 26, 17), fluid, z)
        canvas.ball((side * 24, 26, 2), (7, 22, 16), fluid, z)
        canvas.ball((side * 14, 8, -4), (11, 17, 13), deep, z)
        canvas.ball((side * 26, -4, -2), (9, 19, 14), deep, z)
        canvas.ball((side * 33, -86, -38), (14, 14, 13), fluid, z)
    canvas.ball((0, 10, -6), (2.5, 14, 12), fluid, z)
    canvas.ball((0, 62, -44), (48, 30, 26), grey, z)
    canvas.ball((0, 24, -50), (15, 14, 40), white, z)
    canvas.ball((38, -22, 24), (8, 7, 7), lesion, z)
    noise = rng.normal(0, 9, (2, 256, 256)).astype(np.float32)
    bias = 1.0 + 0.08 * np.linspace(-1, 1, 256, dtype=np.float32)[:, None]
    magnitude: Image = np.hypot(canvas.pixels * bias + noise[0], noise[1])
    return magnitude


def _folded(canvas: Canvas, z: float, value: float, depth: float, folds: float) -> None:
    axis = ((np.arange(256) - 127.5) * 0.94).astype(np.float32)
    x, y = axis[None, :], axis[:, None]
    angle = np.arctan2(y, np.abs(x) + 2)
    reach = np.sqrt((x / 71) ** 2 + (y / 91) ** 2 + ((z + 12) / 83) ** 2)
    limit = 1 - depth + folds * np.sin(angle * 17 + z * 0.23) * np.sin(angle * 5 - z * 0.11 + x * 0.03)
    inside = np.clip((limit - reach) * 30, 0, 1) * np.clip((np.abs(x) - 1.2) * 1.5, 0, 1)
    canvas.pixels += inside * (value - canvas.pixels)


def heart_frames(count: int) -> Iterator[NDArray[np.uint8]]:
    """Ultrasound of a beating heart: 480 x 640 RGB frames of a sector, two beats over all frames."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[0:480, 0:640].astype(np.float32)
    dx, dy = x - 320, y - 24
    radius, angle = np.hypot(dx, dy), np.arctan2(dx, dy)
    sector = (np.abs(angle) < 0.72) & (radius > 18) & (radius < 430)
    speckle = rng.rayleigh(0.55, (480, 640)).astype(np.float32)
    for number in range(count):
        beat = math.sin(2 * math.pi * 2 * number / count)
        squeeze = 1 - 0.16 * max(0.0, beat)
        tissue = 62 + 26 * np.sin(radius / 26 + 3 * angle)
        for cx, cy, rx, ry in ((270, 190, 46, 84), (372, 186, 36, 74), (272, 318, 50, 46), (374, 312, 44, 42)):
            inside = ((x - cx) / (rx * squeeze)) ** 2 + ((y - cy) / (ry * squeeze)) ** 2
            tissue = np.where(inside < 1, 8, np.where(inside < 1.32, 150, tissue))
        valve = np.abs(y - 262 - 0.15 * (x - 320) * beat) < 3
        tissue = np.where(valve & (np.abs(x - 320) < 100), 190, tissue)
        grey = tissue * np.roll(speckle, (number % 3, number % 5), (0, 1)) * np.exp(-radius / 900)
        grey = np.where(sector, np.clip(grey, 0, 255), 0).astype(np.uint8)
        frame = np.repeat(grey[:, :, None], 3, axis=2)
        jet = ((x - 272) / 16) ** 2 + ((y - 270) / 44) ** 2 < 1
        if beat < -0.2:
            frame[jet] = np.stack([grey[jet] // 3, grey[jet] // 2, np.full(int(jet.sum()), 210)], axis=1)
        frame[452:458, 40 : 40 + number * 560 // count] = (60, 200, 90)
        yield frame


def angiogram_frames(count: int) -> Iterator[NDArray[np.uint8]]:
    """Contrast running through a coronary tree: 512 x 512 frames, 8 bits."""
    rng = np.random.default_rng(11)
    tree = list(vessel_tree((-40.0, -60.0, 0.0), (-10.0, -30.0, 0.0), 2.6, rng, 6))
    lengths = [math.dist((-40, -60, 0), vessel.end) for vessel in tree]
    base = Canvas(512, 0.4, 168)
    base.ellipse(30, 45, 75, 60, 128)
    base.ellipse(-10, -5, 18, 105, 118)
    for number in range(count):
        canvas = Canvas(512, 0.4, 0)
        canvas.pixels[:] = np.roll(base.pixels, int(4 * math.sin(number / 3)), axis=0)
        front = number / count * 260
        for vessel, reached in zip(tree, lengths, strict=True):
            if front - 150 < reached < front:
                flat = Vessel((*vessel.start[:2], 0.0), (*vessel.end[:2], 0.0), vessel.radius)
                flat.draw(canvas, 52, 0.0)
        noisy = canvas.pixels + rng.normal(0, 5, (512, 512)).astype(np.float32)
        yield np.clip(noisy, 0, 255).astype(np.uint8)
