"""State that survives: the database, its migrations, the feed of facts and durable jobs."""
