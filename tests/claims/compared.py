"""A finished study of claims: its systems' figures, and differences of them, the same speakers drawn for all."""

import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.config import settings
from stages.corpora.manifest import read_manifest
from stages.guards.seen import unpack
from stages.metrics import intervals, summary
from stages.metrics.predictions import read_predictions
from stages.transcripts.table import read_transcripts
from stages.transcripts.text import error_rates
from tests.stories.conftest import Project


class Estimate(NamedTuple):
    """A value and its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


class Study:
    """The study `default` of a project, run whole."""

    def __init__(self, project: Project):
        self.data: Path = project.folder / "data"
        self.options = settings.load(summary.Evaluate, "evaluate", str(project.folder / settings.FILE))
        self.manifest = read_manifest(self.data / "ingest/planted/manifest.csv")

    def drawn(self, system: str, metric: str) -> summary.Drawn:
        predictions = read_predictions(self.data / f"evaluate/default/{system}.csv")
        return summary.drawn(predictions, self.manifest, metric, self.options)

    def _estimate(self, value: float, draws: np.ndarray, speakers: int) -> Estimate:
        return Estimate(value, *intervals.interval(draws, self.options.confidence, speakers))

    def gain(self, system: str, without: str, metric: str, less: str = "") -> Estimate:
        """How much ``system`` has over ``without``; ``less``: more than it has of another metric."""
        value, draws = 0.0, np.zeros(self.options.draws)
        for sign, one in ((1, metric), (-1, less)):
            if one:
                a, b = self.drawn(system, one), self.drawn(without, one)
                assert a.tested == b.tested
                value, draws = value + sign * (a.pooled - b.pooled), draws + sign * (a.values - b.values)
        return self._estimate(value, draws, a.speakers)

    @cached_property
    def contradicts(self) -> np.ndarray:
        """Whether the words of every utterance contradict the voice, bool [utterances]."""
        return self.manifest["contradicts"].to_numpy(str) == "1"

    def error_rates(self, transcripts: str) -> np.ndarray:
        """Word error rate of every utterance's transcript [utterances]."""
        table = read_transcripts(self.data / f"transcribe/planted/{transcripts}.csv").set_index("utterance")
        read = table["text"].reindex(self.manifest["utterance"]).fillna("")
        return np.array(error_rates(self.manifest["text"].tolist(), read.tolist())[0], float)

    def closed(self, student: str, dimension: str = "") -> tuple[np.ndarray, np.ndarray]:
        """How many units of ``student`` trained on every utterance, and in how many the gate (of one dimension, or of
        any) was closed on it: two int [utterances]."""
        names = self.manifest["utterance"].tolist()
        units = json.loads((self.data / f"evaluate/default/{student}.json").read_text())["training"]["gates"]

        def mask(packed: dict) -> np.ndarray:
            return np.isin(names, unpack(packed, names, student))

        trained = sum(mask(unit["rows"]).astype(int) for unit in units)
        masks = [[mask(p) for d, p in unit["closed"].items() if dimension in ("", d)] for unit in units]
        return trained, sum(np.logical_or.reduce(found).astype(int) for found in masks)

    def ratio(self, student: str, these: np.ndarray, those: np.ndarray, dimension: str = "") -> Estimate:
        """How many times as often the gate is closed on ``these`` utterances as on ``those``, speakers resampled."""
        trained, closed = self.closed(student, dimension)
        speakers, at = np.unique(self.manifest["speaker"].to_numpy(str), return_inverse=True)
        counts = np.zeros((1, len(speakers), 2, 2))
        for group, members in enumerate((these, those)):
            for column, values in enumerate((closed, trained)):
                np.add.at(counts, (0, at, group, column), values * members)

        def times(counts):
            rates = counts[..., 0] / np.maximum(counts[..., 1], 1)
            return rates[..., 0] / np.maximum(rates[..., 1], 1e-9)

        draws = intervals.speaker_draws(len(speakers), self.options.draws, self.options.seed)
        values = intervals.resampled(intervals.Sums(counts, times), draws)
        return self._estimate(float(times(counts.sum((0, 1)))), values, len(speakers))
