"""Transcripts by OpenAI's Whisper, in batches, with its own quality checks and fallback (Radford et al. 2022, 4.5)."""

import hashlib
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from stages import code, devices, jobs
from stages.errors import UserError
from stages.settings import Section, nearest, setting
from stages.stores.scratch import Unit
from stages.units import fingerprint

WINDOW = 30 * 16_000
"""Samples that Whisper hears at once; a longer clip goes through its own sliding ``transcribe``."""
CHECKPOINT_SECONDS = 60


class Whisper(Section):
    """Automatic transcripts. Greedy or beam decoding at temperature 0, all clips of a batch together."""

    kind: Literal["whisper"] = setting("whisper", "where transcripts come from")
    model: str = setting("tiny.en", "official name (tiny.en ... large-v3) or the path of a .pt file")
    folder: str = setting("weights/whisper", "folder that holds the .pt files of official models")
    language: str = setting("en", "language that is spoken, as Whisper's two letters")
    beam: int = setting(1, "width of the beam; 1 is greedy", ge=1)
    temperatures: list[float] = setting(
        [0.2, 0.4, 0.6, 0.8, 1.0], "tried in turn on clips that fail the checks, by seeded sampling; empty: never"
    )
    compression_ratio: float = setting(2.4, "text that compresses better than this repeats itself: a failure", gt=0)
    logprob: float = setting(-1.0, "a mean log probability per token below this is a failure")
    no_speech: float = setting(0.6, "a failing clip above this probability of no speech is silent: no text", ge=0)
    seed: int = setting(1, "seed of the fallback's sampling, per clip", ge=0)
    batch: int = setting(16, "clips decoded together", ge=1)
    threads: int = setting(2, "threads of torch; part of the result", ge=1)
    precision: Literal["fp32", "fp16"] = setting("fp32", "arithmetic; fp16 on a GPU only")

    @model_validator(mode="after")
    def _fits(self):
        if self.model.endswith(".en") and self.language != "en":
            raise ValueError(f"language: {self.model} knows English only; set language: en or take a model without .en")
        return self


def weights(settings: Whisper, where: str) -> Path:
    """The checked file of the model's weights; nothing is ever downloaded.

    Raises
    ------
    UserError
        An unknown name, a missing file (with where to put it) or one with another digest than OpenAI's.
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
    if jobs.sha256(path) != url.split("/")[-2]:
        raise UserError(f"{path}: not the whole, original weights (its SHA-256 differs); download {url} again")
    return path


def transcribe(settings: Whisper, store, where: str) -> list[dict[str, Any]]:
    """One dictionary per utterance of an audio store, in its order.

    Keys: text, avg_logprob (mean log probability per token), no_speech_prob, compression_ratio (of the text, gzip)
    and temperature (0 unless the fallback was needed). A killed run goes on from its last minute.

    Raises
    ------
    UserError
        The weights are missing or damaged, or fp16 was asked for where there is no GPU.
    """
    import numpy as np

    jobs.use_threads(settings.threads)
    device = devices.pick()
    import torch
    import whisper

    path = weights(settings, where)
    torch.set_num_threads(settings.threads)
    if device.type == "cpu" and settings.precision == "fp16":
        raise UserError(f"{where}.precision: fp16 needs a GPU, and none is to be had here; set fp32")
    depends = settings.model_dump() | {
        "weights": jobs.sha256(path),
        "audio": fingerprint(store.path),
        "code": code.digest("stages.corpora.asr"),
        "device": device.type,
        "versions": [torch.__version__, whisper.__version__],
    }
    unit = Unit("transcribe", {k: v for k, v in depends.items() if k != "folder"})
    saved = unit.resume()
    rows: list[dict] = saved[1]["rows"] if saved else []
    if saved:
        jobs.log.info("%d utterances were transcribed before", len(rows))
    model = whisper.load_model(str(path), device=device)
    marked = time.monotonic()
    starts = range(len(rows), len(store), settings.batch)
    for start in jobs.progress(starts, "whisper", len(starts)):
        indices = list(range(start, min(start + settings.batch, len(store))))
        rows += _batch(model, settings, [store.utterances[i] for i in indices], [store.read(i) for i in indices])
        if time.monotonic() - marked > CHECKPOINT_SECONDS:
            unit.mark({"done": np.array([len(rows)])}, {"rows": rows})
            marked = time.monotonic()
    unit.checkpoint.unlink(missing_ok=True)
    return rows


def _batch(model, settings: Whisper, names: list[str], waves: list) -> list[dict]:
    import torch

    short = [i for i, wave in enumerate(waves) if len(wave) <= WINDOW]
    rows: dict[int, dict] = {i: _long(model, settings, names[i], waves[i]) for i in set(range(len(waves))) - set(short)}
    if short:
        mels = torch.stack([_mel(model, settings, waves[i]) for i in short])
        results = model.decode(mels, _options(settings, 0.0))
        for i, mel, result in zip(short, mels, results, strict=True):
            rows[i] = _checked(model, settings, names[i], mel, result)
    return [rows[i] for i in range(len(waves))]


def _mel(model, settings: Whisper, wave):
    """Log-mel spectrogram [mels, 3000] exactly as whisper.transcribe makes it: silence after the clip, then zeros."""
    import torch
    from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim

    mel = log_mel_spectrogram(wave, model.dims.n_mels, padding=N_SAMPLES, device=model.device)
    mel = pad_or_trim(mel[:, : mel.shape[-1] - N_FRAMES], N_FRAMES)
    return mel.to(model.device, torch.float16 if settings.precision == "fp16" else torch.float32)


def _options(settings: Whisper, temperature: float):
    from whisper import DecodingOptions

    return DecodingOptions(
        language=settings.language,
        temperature=temperature,
        beam_size=settings.beam if settings.beam > 1 and temperature == 0 else None,
        fp16=settings.precision == "fp16",
    )


def _failed(settings: Whisper, result) -> bool:
    """Whisper's own rule: repetitive or improbable, unless it is silence."""
    if _silent(settings, result):
        return False
    return result.compression_ratio > settings.compression_ratio or result.avg_logprob < settings.logprob


def _silent(settings: Whisper, result) -> bool:
    return result.no_speech_prob > settings.no_speech and result.avg_logprob < settings.logprob


def _checked(model, settings: Whisper, name: str, mel, result) -> dict:
    """The result of one clip, decoded again at rising temperatures as long as it fails."""
    for temperature in settings.temperatures:
        if not _failed(settings, result):
            break
        _seed(settings, name)
        result = model.decode(mel, _options(settings, temperature))
    return {
        "text": "" if _silent(settings, result) else " ".join(result.text.split()),
        "avg_logprob": float(result.avg_logprob),
        "no_speech_prob": float(result.no_speech_prob),
        "compression_ratio": float(result.compression_ratio),
        "temperature": float(result.temperature),
    }


def _long(model, settings: Whisper, name: str, wave) -> dict:
    """A clip of more than 30 s: whisper.transcribe; the qualities are its segments' worst."""
    import whisper

    _seed(settings, name)
    found = whisper.transcribe(
        model,
        wave,
        temperature=(0.0, *settings.temperatures),
        compression_ratio_threshold=settings.compression_ratio,
        logprob_threshold=settings.logprob,
        no_speech_threshold=settings.no_speech,
        language=settings.language,
        beam_size=settings.beam if settings.beam > 1 else None,
        fp16=settings.precision == "fp16",
    )
    parts = found["segments"]
    return {
        "text": " ".join(found["text"].split()),
        "avg_logprob": min((p["avg_logprob"] for p in parts), default=None),
        "no_speech_prob": max((p["no_speech_prob"] for p in parts), default=None),
        "compression_ratio": max((p["compression_ratio"] for p in parts), default=None),
        "temperature": max((p["temperature"] for p in parts), default=None),
    }


def _seed(settings: Whisper, name: str) -> None:
    import torch

    digest = hashlib.sha256(f"{settings.seed}:{name}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:7], "little"))
