"""What every room leans on: errors, files, the run folder, the terminal. Standard library only at import."""
