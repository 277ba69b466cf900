"""What becomes of new rows before they train: one curator a file."""
