"""Trials of trained systems under other conditions: noise over their test utterances, and other corpora."""
