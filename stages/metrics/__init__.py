"""Metrics of predictions, their intervals, and comparisons with each other and with the papers."""
