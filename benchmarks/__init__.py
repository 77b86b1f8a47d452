"""Measurements of the service, one module a question (`scripts/bench`)."""
