"""Image bytes, what belongs to them, and the journal: on files or on objects."""
