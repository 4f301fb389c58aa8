"""The base of all parameter models, and how a job reads its own settings."""
