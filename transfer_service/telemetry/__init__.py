"""What operators see: numbers for Prometheus (docs/metrics.md), and traces by OpenTelemetry.

Both are off by default. Then what is called here returns at once, and neither package is loaded.
"""
