"""Scores of predictions, their intervals, and how they compare with each other and with the papers."""
