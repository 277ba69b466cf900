"""What synthetic data is worth: how true it is to the real rows, what it is good for, what it gives away, its cost."""
