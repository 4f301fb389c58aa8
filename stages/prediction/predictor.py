"""Predictions of a trained system: clips get stores and features like a corpus; the models' outputs are averaged."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..encoders import specs
from ..recipes import system_config
from ..runtime.errors import UserError
from ..training import units
from ..transcripts.text import plain
from .clips import Clip
from .trained_system import Trained, Unit

CHUNK_SECONDS = 600.0
"""Audio with features on disk at one time: 0.6 GB for all layers of HuBERT-base."""


class Predictor:
    """A system with its encoders, each opened once; ``features`` is that section of the parameters.

    Raises
    ------
    UserError
        An encoder cannot be loaded, or its weights differ from those in training.
    """

    def __init__(self, trained: Trained, features):
        import torch

        from ..encoders.extractors import open_extractor

        torch.set_num_threads(features.threads)
        self.trained, self.features, self.row = trained, features, trained.row
        self.extractors = {}
        for kind in {"speech", "text", "beside"} & set(self.row.files()):
            about = trained.about["encoders"][kind]
            spec = specs.load(trained.params, about["name"])
            spec = specs.with_layers(spec, self.row.layers_read()[kind])
            extractor = open_extractor(spec, trained.weights.get(kind), torch.device("cpu"), features.precision)
            if extractor.weights != about["weights"]:
                raise UserError(
                    f"encoder {about['name']}: other weights than {trained.name} was trained on"
                    f" (SHA-256 {extractor.weights[:12]}, not {about['weights'][:12]}); run the study again"
                )
            self.extractors[kind] = extractor

    def chunks(self, clips: Iterable[Clip]) -> Iterator[list[Clip]]:
        """Clips in lists of :data:`CHUNK_SECONDS`; all in one list if speakers are normalised by all their files."""
        whole, held, seconds = getattr(self.row, "normalise", "") == "speaker", [], 0.0
        for clip in clips:
            held.append(clip)
            seconds += clip.end - clip.start
            if seconds > CHUNK_SECONDS and not whole:
                yield held
                held, seconds = [], 0.0
        if held:
            yield held

    def predict(self, clips: list[Clip]) -> np.ndarray:
        """Class probabilities [clips, classes], or values of the dimensions in the corpus' units: the models' mean."""
        return self.mean(self.outputs(clips))

    def mean(self, outputs: np.ndarray) -> np.ndarray:
        """The mean [clips, outputs] of ``outputs`` [models, clips, outputs or more]: class probabilities, or values."""
        values = outputs[..., : len(self.trained.labels)].astype(np.float64)
        if self.row.task == "emotion":
            from scipy.special import softmax

            values = softmax(values, axis=2)
        return values.mean(0)

    def outputs(self, clips: list[Clip], of: list[Unit] | None = None) -> np.ndarray:
        """Outputs [models, clips, outputs + columns] of every model, or of the units ``of``, as in prediction files."""
        recipe, positions = system_config.module(self.row.recipe), np.arange(len(clips))
        with tempfile.TemporaryDirectory(prefix="serpentine-") as folder:
            new_audio = self._stored(Path(folder), clips)
            outputs = []
            for unit in of or self.trained.models:
                arrays, _ = units.read(self.trained.models[unit], *unit)
                outputs.append(recipe.restored(self.row, new_audio, arrays)(positions))
        return np.stack(outputs)

    def _stored(self, folder: Path, clips: list[Clip]):
        """Stores like those of a corpus, made from ``clips``."""
        from ..encoders.extraction import write_store
        from ..recipes.new_audio import NewAudio
        from ..stores.audio import AudioStore, AudioWriter, digest

        names = [str(i) for i in range(len(clips))]
        paths = {"audio": folder / "audio.h5"}
        paths |= {f"{kind}-weights": self.trained.weights.get(kind) for kind in ("speech", "text")}
        writer = AudioWriter(paths["audio"])
        for name, clip in zip(names, clips, strict=True):
            writer.add(name, clip.samples, digest(clip.samples))
        writer.close()
        store, texts = AudioStore(paths["audio"]), [plain(clip.request.text) for clip in clips]
        for kind, extractor in self.extractors.items():
            paths[kind] = folder / f"{kind}.h5"
            if kind == "text":
                sizes, read = np.array(extractor.lengths(texts), int), texts.__getitem__
            else:
                sizes, read = store.lengths, store.read
            write_store(
                paths[kind],
                extractor,
                names=names,
                sizes=sizes,
                read=read,
                limit=0,  # one clip per batch: larger batches round differently, and float16 may amplify that
                dtype=self.features.dtype,
                attributes={"hop": extractor.hop},
            )
        store.file.close()
        encoders = {kind: encoder["name"] for kind, encoder in self.trained.about["encoders"].items()}
        speakers = [clip.request.speaker for clip in clips]
        return NewAudio(self.trained.params, paths, encoders, names, speakers, texts, len(self.trained.labels))
