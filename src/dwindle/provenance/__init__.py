"""Provenance: what trained each generation, which model made each row, and from which real rows all of it comes."""
