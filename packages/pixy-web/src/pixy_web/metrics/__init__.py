"""Metrics for Prometheus: the table of them, how workers count, and the server of `/metrics`."""
