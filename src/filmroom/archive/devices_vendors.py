"""Whose software calls, guessed from its implementation class UID (PS3.7 D.3.3.2): makers keep to their own roots."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from filmroom.base.ids import IMPLEMENTATION_CLASS_UID

# Roots under which makers register their UIDs; the longest that fits wins.
ROOTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        IMPLEMENTATION_CLASS_UID: "Filmroom",
        "1.2.124.113532": "Agfa (Mitra)",
        "1.2.156.112605": "United Imaging",
        "1.2.276.0.7230010.3": "DCMTK (OFFIS), also inside other products",
        "1.2.392.200036.9107": "Konica Minolta",
        "1.2.392.200036.9116": "Canon Medical (Toshiba)",
        "1.2.392.200036.9125": "Fujifilm",
        "1.2.40.0.13.1": "dcm4che",
        "1.2.752.24": "Sectra",
        "1.2.826.0.1.3680043.2.1143": "GDCM",
        "1.2.826.0.1.3680043.2.135.1066": "Conquest",
        "1.2.826.0.1.3680043.8.498": "pydicom",
        "1.2.826.0.1.3680043.9.3811": "pynetdicom",
        "1.2.826.0.1.3680043.9.55600": "odil",
        "1.2.840.113564": "Carestream (Kodak)",
        "1.2.840.113619": "GE HealthCare",
        "1.2.840.113663": "Philips (ATL)",
        "1.2.840.113681": "Hologic (DuPont)",
        "1.2.840.113704": "Philips (Picker, Marconi)",
        "1.2.840.114089": "Laurel Bridge",
        "1.2.840.114257": "LEAD Technologies",
        "1.3.12.2.1107": "Siemens Healthineers",
        "1.3.46.670589": "Philips",
        "1.3.51": "Agfa",
        "1.3.6.1.4.1.30071": "fo-dicom",
        "1.3.6.1.4.1.5962": "PixelMed",
        "2.16.840.1.113669": "Merge",
    }
)


def vendor(implementation_class_uid: str) -> str:
    """The maker, or '' when its root is not in the table."""
    uid = implementation_class_uid
    while uid:
        if uid in ROOTS:
            return ROOTS[uid]
        uid = uid.rpartition(".")[0]
    return ""
