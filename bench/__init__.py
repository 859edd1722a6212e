"""Filmroom and a peer, side by side: the same corpus, client, disk and minute (``python -m bench --help``)."""
