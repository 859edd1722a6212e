"""The composition root: settings -> database -> slices -> listeners. Nothing but the command line imports it."""
