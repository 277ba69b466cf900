"""dwindle grows lineages of models, each generation trained on what the last one wrote, and measures what is lost."""

__version__ = "0.1.0"
