"""Backups of a database and a data folder, and their restore."""
