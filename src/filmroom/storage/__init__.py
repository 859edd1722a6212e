"""Where the bytes are: packs, files, spool, checksums."""
