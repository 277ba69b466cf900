"""Closed forms: what a recipe must do, by generation, where mathematics knows it. One result a file."""
