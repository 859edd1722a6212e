"""Who may do what: principals, roles, passwords, sessions, tokens. Nothing here knows a protocol."""
