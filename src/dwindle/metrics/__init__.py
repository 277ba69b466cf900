"""What is measured of a generation: one metric a file."""
