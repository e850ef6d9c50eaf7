"""The HTTP server process, its middleware and its log."""
