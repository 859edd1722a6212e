"""Service class providers: each translates a DIMSE request into one use case, and its outcome into a status."""
