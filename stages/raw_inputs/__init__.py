"""Inventories of raw corpora and of others' weights: files whose change wakes the jobs that read what is there."""
