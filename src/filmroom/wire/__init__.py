"""Grammar of the protocols that Filmroom speaks; pure functions and machines from bytes to events."""
