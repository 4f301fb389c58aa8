"""What every process needs: errors, files, the log, a GPU, worker processes, the digest of code."""
