"""Sources: where real rows come from. One component a file."""
