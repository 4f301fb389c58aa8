"""The training loop, its checkpoint and batches, weights as arrays, and the units (fold x seed) of a job."""
