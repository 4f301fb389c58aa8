"""Train a built-in encoder: HuBERT's recipe or CTC on unlabelled speech, BERT's on sentences, or distil one of these.

Voices and sentences differ from those of the planted corpus. With --audio a speech encoder is pretrained on a user's
own unlabelled recordings instead. The file's header lists the training data.
"""

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter

from .config import settings
from .encoders import checkpoint
from .pretraining.bert import BertPretraining
from .pretraining.codebooks import Audio
from .pretraining.ctc import CtcTraining
from .pretraining.distil import Distillation
from .pretraining.distil_text import TextDistillation
from .pretraining.hubert import HubertPretraining
from .runtime import code_digest, gpu, process
from .runtime.errors import UserError
from .stores.scratch import Unit

Pretrain = Annotated[
    HubertPretraining | CtcTraining | Distillation | BertPretraining | TextDistillation, Field(discriminator="recipe")
]
"""One entry of ``pretrain:``."""


def read_pretraining(params: str, name: str):
    """The validated entry ``pretrain.NAME`` of the parameter file."""
    key = f"pretrain.{name}"
    return settings.adapt(TypeAdapter(Pretrain), settings.read(params, key), key, params)


def planted_audio(seed: int, utterances: int, phrases: float = 0) -> tuple[Audio, dict]:
    """Unlabelled synthetic speech, and its description in the header."""
    from .corpora import planted

    names, clips = [], []
    for name, samples in planted.unlabelled(seed, utterances, phrases=phrases):
        names.append(name)
        clips.append(samples)
    return audio_of(names, clips, {"source": "planted-unlabelled", "seed": seed})


def audio_of(names: list[str], clips: list[np.ndarray], about: dict) -> tuple[Audio, dict]:
    """Clips int16 [samples] at 16 kHz as training data, and their description."""
    digests = [hashlib.sha256(np.ascontiguousarray(clip).tobytes()).hexdigest() for clip in clips]
    audio = Audio(np.array([len(c) for c in clips]), lambda i: clips[i].astype(np.float32) / 32768)
    return audio, about | _listed(names, digests)


def stored_audio(path: Path) -> tuple[Audio, dict]:
    """A user's audio store as training data, and its description."""
    from .stores.audio import AudioStore

    store = AudioStore(path)
    about = {"source": "audio", "content": store.content}
    return Audio(store.lengths, store.read), about | _listed(store.utterances, store.digests())


def _listed(names: list[str], digests: list[str]) -> dict:
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    return {"utterances": len(names), "sha256": whole, "names": list(names), "utterance_sha256": digests}


def main(args) -> None:
    """Write the encoder of one entry of ``pretrain:``."""
    section = read_pretraining(args.params, args.encoder)
    process.use_threads(section.threads)
    device = gpu.pick()
    import torch

    torch.set_num_threads(section.threads)
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    if args.audio and not isinstance(section, HubertPretraining | Distillation):
        raise UserError(f"pretrain.{args.encoder}: needs sentences, which an audio store has not; leave --audio out")
    if isinstance(section, BertPretraining | TextDistillation):
        encoder, notes = _text(section, device)
    elif isinstance(section, CtcTraining):
        encoder, notes = _spelling(section, device)
    else:
        encoder, notes = _speech(section, args.audio, device)
    encoder.save(args.out, notes)


def _unit(section, seen: dict, device, **more) -> Unit:
    plan = section.model_dump()
    import faiss  # its package is faiss-cpu or faiss-gpu

    versions = {name: importlib.metadata.version(name).split("+")[0] for name in ("torch", "transformers")}
    versions["faiss"] = faiss.__version__
    plan |= {"seen": seen["sha256"], "code": code_digest.digest("pretrain"), "device": device.type} | versions
    return Unit("pretrain", plan | more)


def _speech(section: HubertPretraining | Distillation, path: Path | None, device):
    from .pretraining import distil, hubert

    recipe = distil if isinstance(section, Distillation) else hubert
    audio, seen = stored_audio(path) if path else planted_audio(section.seed, section.utterances)
    start = _start(section)
    encoder, notes = recipe.pretrain(
        section, audio, device, lambda iteration: _unit(section, seen, device, iteration=iteration, start=start)
    )
    return encoder, {"recipe": section.model_dump(), "seen": seen, "start": start} | notes


def _spelling(section: CtcTraining, device):
    from .corpora import planted
    from .pretraining import ctc

    audio, seen = planted_audio(section.seed, section.utterances, section.phrases)
    sentences = planted.unlabelled_sentences(section.seed, section.utterances, section.phrases)
    seen["sentence_sha256"] = _digests(sentences)
    spoken = ctc.Spoken(audio, sentences, [name.split("_")[0] for name in seen["names"]])
    start = _start(section)
    encoder, notes = ctc.train(section, spoken, device, _unit(section, seen, device, start=start))
    return encoder, {"recipe": section.model_dump(), "seen": seen, "start": start} | notes


def _start(section) -> dict:
    """Where a training begins: the source, its revision, and of a file that ``pretrain`` made what is in its header."""
    if not section.source:
        return {}
    if not section.source.endswith(".safetensors"):
        return {"source": section.source, "revision": section.revision}
    head = checkpoint.header(section.source)
    return {"source": section.source, "tensors": head["tensors"], "notes": head["notes"]}


def _text(section: BertPretraining | TextDistillation, device):
    from .corpora import planted
    from .pretraining import bert, distil_text

    recipe = distil_text if isinstance(section, TextDistillation) else bert
    sentences, start = planted.unlabelled_sentences(section.seed, section.sentences), _start(section)
    digests = _digests(sentences)
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    seen = {"source": "planted-unlabelled", "seed": section.seed, "sentences": len(sentences), "sha256": whole}
    seen["sentence_sha256"] = digests
    encoder, notes = recipe.pretrain(section, sentences, device, _unit(section, seen, device, start=start))
    return encoder, {"recipe": section.model_dump(), "seen": seen, "start": start} | notes


def _digests(sentences: list[str]) -> list[str]:
    return [checkpoint.sentence_digest(sentence) for sentence in sentences]


def arguments(parser) -> None:
    parser.add_argument("--encoder", required=True, help="an entry of pretrain:")
    parser.add_argument("--audio", type=Path, help="audio store of unlabelled recordings, in place of synthetic speech")
    parser.add_argument("--out", type=Path, required=True, help="encoder to write, one safetensors file")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
