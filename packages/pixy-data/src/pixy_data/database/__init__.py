"""One way to the database, for MySQL and SQLite: connections, statements and units of work."""
