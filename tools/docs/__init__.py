"""Generators of the documentation that restates code or data. ``python -m tools.docs`` writes, ``--check`` compares."""
