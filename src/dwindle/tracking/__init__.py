"""Projection of what was grown into MLflow: experiments, runs, metrics, datasets. The files stay the truth."""
