"""The archive: take objects in, find them, hand them out, keep them."""
