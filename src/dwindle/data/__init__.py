"""Rows, their provenance, the files they live in, and the protocol by which a folder is published."""
