"""Versions: every finished stage recorded in DVC, many at once."""
