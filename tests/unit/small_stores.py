"""Stores of clips of noise and of what a small encoder says of them, as the recipes that fine-tune it open them."""

import numpy as np
import torch
import yaml

from stages.encoders import prefix, specs
from stages.encoders.extraction import write_store
from stages.encoders.extractors import open_extractor
from stages.models.pooling import masked_mean
from stages.recipes.speech_input import SpeechInput
from stages.recipes.stores_and_encoders import StoresAndEncoders
from stages.stores.audio import AudioStore, AudioWriter, digest
from stages.training import batches, loop
from tests.unit.catalogue import shipped
from tests.unit.test_encoders import small

LENGTHS = [6_000, 250, 9_000, 12_345, 8_010, 8_000, 4_321, 5_000]
EVERYONE = np.arange(len(LENGTHS))


def sources(folder, spec, lengths=LENGTHS, waves=None, dtype="float32"):
    """Stores of clips of so many samples, or of ``waves`` int16, and of what the encoder of an entry says of them."""
    (folder / "params.yaml").write_text(yaml.safe_dump({"encoders": {"small": spec}}))
    names = [f"u{i}" for i in range(len(lengths))]
    rng, writer = np.random.default_rng(0), AudioWriter(folder / "audio.h5")
    for i, length in enumerate(lengths):
        wave = (3000 * rng.standard_normal(length)).astype(np.int16) if waves is None else waves[i]
        writer.add(names[i], wave, digest(wave))
    writer.close()
    audio = AudioStore(folder / "audio.h5")
    weights = folder / "small.safetensors" if spec["kind"] == "builtin-speech" else None
    extractor = open_extractor(specs.load(folder / "params.yaml", "small"), weights, torch.device("cpu"), "fp32")
    write_store(
        folder / "s.h5",
        extractor,
        names=names,
        sizes=audio.lengths,
        read=audio.read,
        limit=30_000,
        dtype=dtype,
        attributes={"hop": extractor.hop, "encoder": "small"},
    )
    paths = {"speech": folder / "s.h5", "audio": folder / "audio.h5", "speech-weights": weights}
    found = StoresAndEncoders(str(folder / "params.yaml"), paths, {"speech": "small"}, names)
    found.scratch = folder
    return found


def built_in(folder, kind="group-norm HuBERT", layers=("conv", "all")):
    """The entry of a small built-in encoder, whose file it writes."""
    small(kind).save(folder / "small.safetensors", {})
    return shipped(specs.BuiltinSpeech, pretrain="small", layers=list(layers))


def losses(inputs, boundary: str, kept: bool, stored: bool = True) -> list[float]:
    """Losses of two epochs, with dropout where the encoder is trained, from the output that is kept or the waveforms.

    It is kept in the feature store (``stored``), or computed once.
    """
    encoder = inputs.speech_encoder()
    generator = loop.seeded(1)
    prefix.freeze(encoder, boundary)
    speech = SpeechInput(inputs, encoder, boundary if kept else "")
    assert (speech.stored, bool(speech.frozen)) == (kept and stored, kept)
    model = torch.nn.ModuleDict({"encoder": encoder, "head": torch.nn.Linear(encoder.width, 4)}).train()
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.05)
    found = []
    for _ in range(2):
        for positions in batches.bucketed(EVERYONE, speech.lengths, 4, generator):
            hidden, lengths = speech.hidden(positions)
            logits = model["head"](masked_mean(hidden[-1], lengths))
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(positions % 4))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            found.append(loss.item())
    return found
