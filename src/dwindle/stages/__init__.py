"""The stages of a generation: the one implementation that a flow, a worker and `dvc repro` run."""
