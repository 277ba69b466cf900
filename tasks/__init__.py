"""One Prefect task a verb: thin wrappers around the stages. Paths, names and digests cross a task boundary, nothing else."""
