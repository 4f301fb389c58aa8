"""Checks that must pass before a figure counts; each names the utterances that violate it."""
