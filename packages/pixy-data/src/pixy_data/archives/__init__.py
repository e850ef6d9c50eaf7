"""Archives: one file with images, their rows and their users, to move them elsewhere."""
