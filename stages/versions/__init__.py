"""The workflow under DVC: the Snakefile compiled to dvc.yaml, runs committed, checkouts taken in, commits compared.

The Snakefile is the only place where the graph is written; see design notes in README, "Versions".
"""
