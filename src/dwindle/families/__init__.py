"""Families: kinds of generative models. One component a file."""
