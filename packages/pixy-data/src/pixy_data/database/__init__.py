"""Access to MySQL and SQLite: connections, statements and units of work."""
