"""DICOM associations over TCP: the listener with its service classes, and the client side."""
