"""DICOM as a language: files, elements, attributes, matching, pixels. Pure: no IO, no clock."""
