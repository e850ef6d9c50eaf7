"""Copies of a database and a data folder, and the way back."""
