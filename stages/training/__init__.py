"""The training loop that every neural recipe shares, and the units (fold x seed) of a job."""
