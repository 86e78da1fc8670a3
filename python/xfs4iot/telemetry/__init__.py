"""Telemetry: metrics for Prometheus, health, traces for OpenTelemetry; imported only where it is wanted."""
