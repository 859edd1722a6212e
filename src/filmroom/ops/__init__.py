"""Looking after the running archive: its work, its figures, its health."""
