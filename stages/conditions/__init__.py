"""Trials of trained systems under other conditions: noise over their test utterances, other words, other corpora."""
