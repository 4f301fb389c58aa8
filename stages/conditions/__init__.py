"""Trials of trained systems on what they were not made for: noise over their test utterances, and other corpora."""
