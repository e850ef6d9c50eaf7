"""Reading, changing and deleting images, with and without credentials."""
