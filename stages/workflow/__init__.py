"""The graph of files: which jobs there are, what each reads, where it leaves its cost; the cluster."""
