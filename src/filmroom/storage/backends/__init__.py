"""Kinds of store behind the one seam (storage.ports.BlobStore)."""
