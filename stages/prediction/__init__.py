"""Predict with a trained system: requests, models, predictions, and bundles (a system in one folder)."""
