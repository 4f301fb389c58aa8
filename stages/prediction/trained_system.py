"""A trained system: its models, the settings of their training, and caveats."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import settings
from ..recipes import system_config
from ..runtime.errors import UserError
from ..training import units

Unit = tuple[int, int]


@dataclass(frozen=True)
class Trained:
    """All that is needed to predict.

    Attributes
    ----------
    params
        The parameter file: ``features``, ``ingest`` and the encoders' entries are read from it.
    about
        What ``train`` wrote about the models: ``row``, ``labels`` (classes or dimensions), ``encoders``.
    models
        The file that holds each unit (fold, seed).
    weights
        The files of built-in encoders, for ``speech`` and ``text``.
    caveats
        One line: corpus, protocol, figures, normalisation, licence.
    seen
        Digests of the audio that these models were trained or selected on (:func:`digest`).
    """

    study: str
    name: str
    params: str
    about: dict
    models: dict[Unit, Path]
    weights: dict[str, Path]
    caveats: str
    seen: frozenset[str]

    @property
    def row(self) -> system_config.System:
        """The settings that the models were trained with, even if params.yaml has changed."""
        values = self.about["row"]
        where = f"trained {self.name}"
        return settings.validate(system_config.settings_class(values["recipe"]), values, where, self.params)

    def on_given_words(self) -> "Trained":
        """The system as it reads the words that it is given, where it would read its own."""
        return replace(self, about=self.about | {"row": self.row.given_words().model_dump()})

    @property
    def labels(self) -> list[str]:
        return self.about["labels"]


def digest(samples) -> str:
    """Digest of decoded audio, int16 [samples]: the first 16 characters of the manifest's ``sha256``."""
    return hashlib.sha256(samples.astype("<i2", copy=False)).hexdigest()[:16]


def assembled(params: str, study: str, name: str, files: list[Path], weights: dict[str, Path]) -> Trained:
    """The system whose models are in ``files``, without caveats or ``seen``.

    Raises
    ------
    UserError
        A file is missing, or the parts were trained with different settings.
    """
    for path in files:
        if not path.is_file():
            raise UserError(f"{path}: no such file; run the study first (make {study})")
    about = [units.about(path) for path in files]
    if any(each != about[0] for each in about):
        raise UserError(f"{files[0].parent}: its parts were trained with different settings; run the study again")
    models = {unit: path for path in files for unit in sorted(units.notes(path))}
    return Trained(study, name, params, about[0], models, weights, "", frozenset())
