"""Reproducible measurements: `make bench`. Nothing here is imported by the gateway."""
