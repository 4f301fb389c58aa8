"""What a process needs whatever it computes: errors, files, log, GPU, worker processes, the digest of code."""
