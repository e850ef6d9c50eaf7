"""Traces by OpenTelemetry, which the extra `[otel]` exports. Off unless `PIXY_TRACING` is set."""
