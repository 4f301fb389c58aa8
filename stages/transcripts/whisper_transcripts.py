"""Transcripts by OpenAI's Whisper: settings, weights, and the loop over a corpus (Radford et al. 2022)."""

import time
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from ..config.settings import Section, nearest, setting
from ..runtime import code_digest, disk, gpu, process
from ..runtime.errors import UserError
from ..runtime.reporting import log, progress
from ..stores.fingerprint import fingerprint
from ..stores.scratch import Unit

CHECKPOINT_SECONDS = 60


class Whisper(Section):
    """Automatic transcripts: greedy or beam decoding at temperature 0, all clips of a batch together."""

    kind: Literal["whisper"] = setting("where transcripts come from")
    model: str = setting("official name (tiny.en ... large-v3) or the path of a .pt file")
    folder: str = setting("folder that holds the .pt files of official models")
    language: str = setting("language that is spoken, as Whisper's two letters")
    beam: int = setting("width of the beam; 1 is greedy", ge=1)
    temperatures: list[float] = setting("tried in turn on clips that fail the checks, by seeded sampling; empty: never")
    compression_ratio: float = setting("text that compresses better than this repeats itself: a failure", gt=0)
    logprob: float = setting("a mean log probability per token below this is a failure")
    no_speech: float = setting("a failing clip above this probability of no speech is silent: no text", ge=0)
    seed: int = setting("seed of the fallback's sampling, per clip", ge=0)
    pace: float = setting("more words per second than this are marked as rushed: none speaks so fast", gt=0)
    window: Literal["30s", "clip"] = setting(
        "what the encoder hears: 30 s, or the clip and a margin (and again 30 s if it fails)"
    )
    margin: float = setting("silence after the clip in its own window, seconds; with 2 Whisper repeats itself", gt=0)
    batch: int = setting("clips decoded together", ge=1)
    threads: int = setting("threads of torch: clips encoded side by side, and decoding", ge=1)
    precision: Literal["fp32", "fp16"] = setting("arithmetic; fp16 on a GPU only")

    @model_validator(mode="after")
    def _fits(self):
        if self.model.endswith(".en") and self.language != "en":
            raise ValueError(
                f"language: {self.model} supports only English; set language: en or choose a model without .en"
            )
        return self


def weights(settings: Whisper, where: str) -> Path:
    """The checked file of the model's weights; nothing is ever downloaded.

    Raises
    ------
    UserError
        The name is unknown, the file is missing, or its digest differs from OpenAI's.
    """
    import whisper

    if settings.model not in whisper.available_models():
        path = Path(settings.model).expanduser()
        if path.is_file():
            return path
        hint = nearest(settings.model, whisper.available_models())
        raise UserError(f"{where}.model: neither an official model nor a file: {settings.model}{hint}")
    url = whisper._MODELS[settings.model]
    path = Path(settings.folder).expanduser() / url.split("/")[-1]
    if not path.is_file():
        raise UserError(f"{where}: no weights at {path}; download {url} and put the file there, or set {where}.folder")
    if disk.sha256(path) != url.split("/")[-2]:
        raise UserError(f"{path}: not the whole, original weights (its SHA-256 differs); download {url} again")
    return path


def transcribe(settings: Whisper, store, where: str) -> list[dict[str, Any]]:
    """One dictionary per utterance of an audio store, in its order, with the keys of whisper_batches.listen.

    Clips with windows of one size form a batch; a clip's result does not depend on its batch. A killed run resumes at
    its last checkpoint.

    Raises
    ------
    UserError
        The weights are missing or damaged, or fp16 is set without a GPU.
    """
    import numpy as np

    process.use_threads(settings.threads)
    device = gpu.pick()
    import torch
    import whisper

    from . import whisper_batches

    path = weights(settings, where)
    torch.set_num_threads(settings.threads)
    if device.type == "cpu" and settings.precision == "fp16":
        raise UserError(f"{where}.precision: fp16 needs a GPU, and this machine has none; set fp32")
    depends = settings.model_dump() | {
        "weights": disk.sha256(path),
        "audio": fingerprint(store.path),
        "code": code_digest.digest("transcripts.whisper_transcripts"),
        "device": device.type,
        "versions": [torch.__version__, whisper.__version__],
    }
    unit = Unit("transcribe", {k: v for k, v in depends.items() if k != "folder"})
    saved = unit.resume()
    rows: dict[int, dict] = {int(i): row for i, row in saved[1]["rows"].items()} if saved else {}
    if saved:
        log.info("%d utterances are already transcribed", len(rows))
    model = whisper.load_model(str(path), device=device)
    marked = time.monotonic()
    batches = [b for b in whisper_batches.batches(store.lengths, settings) if not set(b) <= rows.keys()]
    for batch in progress(batches, "whisper", len(batches)):
        names, waves = [store.utterances[i] for i in batch], [store.read(i) for i in batch]
        rows.update(zip(batch, whisper_batches.listen(model, settings, names, waves), strict=True))
        if time.monotonic() - marked > CHECKPOINT_SECONDS:
            unit.mark({"done": np.array([len(rows)])}, {"rows": rows})
            marked = time.monotonic()
    unit.checkpoint.unlink(missing_ok=True)
    return [rows[i] for i in range(len(store))]
