"""What several machines share: one settings file, a check of every service in it, and the two servers."""
