"""The graph of jobs and files: what each job reads and writes, where Snakemake records its cost, the cluster."""
