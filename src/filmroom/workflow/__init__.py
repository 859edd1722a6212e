"""Hospital work: orders and what becomes of them, worklists, performed procedure steps."""
