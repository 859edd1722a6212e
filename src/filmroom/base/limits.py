"""Limits that more than one band must agree on, each with its reason.

Limits that an operator may change are settings; these are ceilings of the protocol or of safety.
"""

# PS3.8 9.3.2.2: presentation context ids are the odd numbers 1 to 255.
MAX_PRESENTATION_CONTEXTS = 128

# A data set nested deeper than this is an attack, not an image (real SR documents stay under 20).
MAX_SEQUENCE_DEPTH = 64

# A top-level value longer than this is bulk data: it is never held in memory on ingest, and DICOM JSON
# refers to it by address (PS3.18 F.2.2) instead of carrying it.
BULK_VALUE_BYTES = 4096

# What inflating a compressed data set or body may yield, over what it took in; real headers reach about 30.
MAX_EXPANSION_RATIO = 200
