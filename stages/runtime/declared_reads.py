"""What a job may read of the settings: the keys that its rule declares, and nothing else."""

from collections.abc import Iterable

from .errors import UserError

SETTINGS = "data/settings.json"
"""All settings: the catalogue with params.yaml over it. Written by ``python -m stages.parameters``."""
_declared: tuple[str, ...] | None = None


def restrict(keys: Iterable[str] | None) -> None:
    """From now on let this process read only the settings at dotted ``keys`` and below; None lifts that."""
    global _declared
    _declared = None if keys is None else tuple(keys)


def refuse_undeclared(key: str) -> None:
    """Refuse to read the dotted ``key`` where this process is restricted to others.

    Raises
    ------
    UserError
        The rule of the job does not declare the key.
    """
    if _declared is not None and not any(key == known or key.startswith(f"{known}.") for known in _declared):
        raise UserError(
            f"{key or 'all settings'}: the rule of this job does not declare that it reads this (params: reads), so a"
            " change of it would not rerun the job; add it there"
        )
