"""The DICOM upper layer protocol for TCP/IP (PS3.8 section 9): bytes in, events out; no clock, no socket."""
