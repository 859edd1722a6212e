"""An address as a picture that a telephone reads."""

import io

import segno


def qr_svg(text: str) -> str:
    """A QR code as SVG. Dark on light whatever the page's colours: cameras read nothing else reliably."""
    picture = io.BytesIO()
    segno.make(text, error="m").save(picture, kind="svg", scale=5, border=4, dark="#000", light="#fff", xmldecl=False)
    return picture.getvalue().decode()
