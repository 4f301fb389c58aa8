"""Predicting with a trained system: requests, models, predictions, and a system as one folder (a bundle)."""
