"""The inputs of a training job, each opened once: examples, stores, transcripts, encoders."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..guards.seen import pack, unpack
from ..protocols.splits import fit_scope
from ..runtime.errors import UserError
from ..stores.fingerprint import fingerprint
from ..training.units import read
from ..transcripts.table import read_transcripts
from ..transcripts.text import plain
from .frames import Frames
from .labelled_set import Examples, Fold
from .normaliser import Normaliser
from .stores_and_encoders import StoresAndEncoders

FILES = (
    "manifest",
    "protocol",
    "speech",
    "beside",
    "text",
    "audio",
    "transcripts",
    "speech-weights",
    "text-weights",
    "start",
    "labels",
    "teacher",
    "elsewhere",
)
"""Names of the inputs, as the rules name them and as options of the command line."""


def add_arguments(parser) -> None:
    for name in FILES:
        parser.add_argument(f"--{name}", type=Path, help=f"input: {name}", required=name in ("manifest", "protocol"))


def paths_of(options: dict) -> dict[str, Path | None]:
    """The inputs among the options of a command line with :func:`add_arguments`; theirs have _ in place of -."""
    return {name: options[name.replace("-", "_")] for name in FILES}


class Inputs(StoresAndEncoders):
    """The files of a corpus (:func:`paths_of`), opened when first used; keeps the protocol ``TrainingInputs``.

    Attributes
    ----------
    examples : Examples
        For the task of the system.
    seen : dict
        {component: packed utterances} of what was fitted before or for the unit in hand (stages/guards/seen.py);
        whoever works on a unit calls :meth:`forget` first and keeps :attr:`seen_notes` with the unit.
    leaks : dict
        Likewise of what is declared to have seen test utterances; nothing of it is proven, all results are marked.
    """

    def __init__(
        self,
        paths: dict[str, Path | None],
        params: str,
        task: str,
        *,
        speech: str = "",
        text: str = "",
        beside: str = "",
        memory_gb: float = 4.0,
        device="cpu",
    ):
        paths = {name: paths.get(name) for name in FILES}
        self.examples = Examples(paths["manifest"], paths["protocol"], task)
        names = self.examples.manifest["utterance"].tolist()
        super().__init__(params, paths, {"speech": speech, "text": text, "beside": beside}, names)
        self.memory, self.device = memory_gb * 1e9, device
        self._frames: dict = {}
        self.forget()

    def forget(self) -> None:
        """Before work on another unit: nothing that was fitted for it has seen anything."""
        self.seen: dict = {}
        self.leaks: dict = {}

    @property
    def seen_notes(self) -> dict[str, dict]:
        """The notes ``seen`` and, where a leak is declared, ``leaks`` of the unit in hand."""
        return {"seen": self.seen} | ({"leaks": self.leaks} if self.leaks else {})

    def digests(self, *without: str) -> dict[str, str]:
        """Fingerprints of all inputs but manifest and protocol (a unit takes its own fold's part of those)."""
        skip = {"manifest", "protocol", *without}
        return {n: fingerprint(p) for n, p in self.paths.items() if p and n not in skip}

    @property
    def texts(self) -> list[str]:
        """What the models read of every utterance's transcript."""
        return [plain(text) for text in self.transcripts["text"]]

    @property
    def outputs(self) -> int:
        """How many numbers a model puts out per utterance."""
        return self.examples.outputs

    @cached_property
    def speakers(self) -> np.ndarray:
        return self.examples.manifest["speaker"].to_numpy(str)

    @cached_property
    def prefixes(self) -> np.ndarray:
        """What stands before the first _ of every utterance's name, str [utterances]."""
        if not all("_" in name for name in self.utterances):
            raise UserError("speaker_by: prefix: the utterances' names have no prefix before a _; choose speaker")
        return np.array([name.partition("_")[0] for name in self.utterances])

    @cached_property
    def transcripts(self) -> pd.DataFrame:
        """Columns ``text`` and ``reference`` as transcribed, one row per utterance in the manifest's order."""
        table = read_transcripts(self.paths["transcripts"]).set_index("utterance")
        return table.reindex(self.examples.manifest["utterance"]).fillna("")

    def start(self, fold: Fold, seed: int) -> dict[str, np.ndarray]:
        """The arrays that an earlier stage made for this fold and seed; what that stage has seen is proven.

        Raises
        ------
        UserError
            The file is damaged, has no such unit, or does not say what it has seen; or that is not this fold's to see.
        """
        return self._earlier("start", fold, seed, "")

    def labels(self, fold: Fold, seed: int) -> dict[str, np.ndarray]:
        """As :meth:`start`: the pseudo-labels that ``cluster`` made for this fold and seed."""
        return self._earlier("labels", fold, seed, "")

    def before(self, name: str, fold: Fold, seed: int) -> dict[str, np.ndarray]:
        """As :meth:`start`, of the system of the study that the input ``name`` is of; its parts are noted as its own.

        ``name``: ``start``, whose models these are, or ``teacher``, whose views.
        """
        return self._earlier(name, fold, seed, f"{name}: ")

    def _earlier(self, name: str, fold: Fold, seed: int, of: str) -> dict[str, np.ndarray]:
        path = Path(self.paths[name])
        arrays, notes = read(path, fold.number, seed)
        if "seen" not in notes:
            raise UserError(f"{path}: does not say what it has seen; delete it and run again")
        for component, packed in notes["seen"].items():
            where = f"{path}: {component}"
            fit_scope(unpack(packed, self.utterances, where), self.examples.protocol, fold.number, where)
        self.seen |= {of + component: packed for component, packed in notes["seen"].items()}
        self.leaks |= {of + component: packed for component, packed in notes.get("leaks", {}).items()}
        return arrays

    def note_leak(self, component: str, utterances: list[str]) -> None:
        """Keep that ``component`` is declared to have seen these utterances, tested ones among them."""
        self.leaks[component] = pack(utterances, self.utterances)

    def note_seen(self, component: str, utterances: list[str]) -> None:
        """Keep that ``component``, which was fitted for the unit in hand, has seen these utterances."""
        self.seen[component] = pack(utterances, self.utterances)

    def frames(
        self,
        layers: list[str],
        max_seconds: float,
        normalise: str,
        fit: Fold | dict,
        kind: str = "speech",
        by: str = "speaker",
    ) -> Frames:
        """As :meth:`RecipeInputs.frames`; a normaliser's fit scope is proven where it is fitted here."""
        store, layers = getattr(self, kind), self.layers(kind, layers)
        key = (kind, *layers, max_seconds)
        if key not in self._frames:
            self._frames = {k: v for k, v in self._frames.items() if k[0] != kind}
            self._frames[key] = (Frames(store, self.rows(store), layers, max_seconds, self.memory), None)
        frames, current = self._frames[key]
        speakers = self.speakers if by == "speaker" else self.prefixes
        if isinstance(fit, dict):
            stored = Normaliser.stored(normalise, fit, f"normaliser/{kind}/")
            frames.normalise(normalise, speakers, np.array([], int), stored)
            self._frames[key] = (frames, None)
            return frames
        wanted = (fit.train.tobytes() if normalise == "global" else None, normalise, by)
        if current != wanted:
            frames.normalise(normalise, speakers, fit.train)
            names = np.array(store.utterances)
            frames.seen = names[frames.normaliser.seen].tolist() if frames.normaliser.seen else []
            fit_scope(frames.seen, self.examples.protocol, fit.number, "normaliser")
            self._frames[key] = (frames, wanted)
        if frames.seen:
            self.note_seen(f"normaliser of {kind}", frames.seen)
        return frames
