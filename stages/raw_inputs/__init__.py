"""Inventories of raw corpora and of published weights: a change in them reruns the jobs that read those files."""
