"""Filmroom, a PACS server: the radiology film room as one program."""

__version__ = "0.1.0"
