"""Sockets: the only band that opens one. Translate, call one use case, translate back."""
