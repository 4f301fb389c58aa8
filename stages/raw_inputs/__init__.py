"""Inventories of raw corpora and of published weights: a change of them reruns the jobs that read those files."""
