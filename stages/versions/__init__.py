"""The workflow under DVC: dvc.yaml compiled from the Snakefile, runs recorded, checkouts synced, commits compared.

The graph is written in the Snakefile alone; see docs/versions.md.
"""
