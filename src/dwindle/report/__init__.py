"""What a sweep found, for people: the table of its lineages, their curves with theory laid over, and sample grids."""
