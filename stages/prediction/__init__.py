"""Predicting with a trained system: what is asked, the models, what they answer, and a system as one folder."""
