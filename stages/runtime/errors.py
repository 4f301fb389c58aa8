"""The exception for mistakes that the reader of the message can correct."""


class UserError(Exception):
    """A mistake in data, parameters or surroundings: one line naming file or field, and the remedy."""
