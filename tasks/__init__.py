"""One Prefect task a verb, around the stages. Paths, names and digests cross a task boundary, nothing else."""
