"""Everything that made the shipped weights, and the judges that score them."""
