"""Extraction, all layers to disk, beside the bare encoder forward and beside the obvious loop; fp32, same threads.

    python -m tests.bench.extraction AUDIO [--encoder FOLDER | --size small|distil|base] [--clips 60] [--threads 1]
        [--batch-seconds 60]

AUDIO is an audio store (data/ingest/NAME/audio.h5) or a folder of WAV or FLAC at 16 kHz. FOLDER is a transformers
folder, of Whisper's encoder too; a size is HuBERT's own classes with random weights: of the built-in encoder,
DistilHuBERT or HuBERT-base. The bare forward has the same batches and keeps nothing. The obvious loop is transformers'
own forward on one utterance after the other with one .npy each (float16, all layers), plainly written. The sides take
turns, each twice at a time, for what another side left in caches and memory should not count; medians of the rounds'
ratios of the second times. Processor seconds are what a busy machine leaves comparable. Freed memory is kept for all
of them, as in every stage.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from stages.encoders import batching, extraction, extractors, specs
from stages.encoders.specs import Features
from stages.encoders.speech import SpeechEncoder
from stages.runtime import process
from stages.stores.audio import RATE, AudioStore
from tests.unit.catalogue import shipped

SIZES = {
    "small": {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 256,
              "conv_dim": [32, 32, 32, 64, 64, 64, 64], "feat_extract_norm": "layer", "conv_bias": True,
              "num_conv_pos_embeddings": 32, "num_conv_pos_embedding_groups": 4},
    "distil": {"num_hidden_layers": 2, "feat_proj_layer_norm": False},
    "base": {},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--batch-seconds", type=float, default=shipped(Features)["batch_seconds"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    process.keep_memory()
    waves = audio(args.audio, args.clips)
    seconds = sum(map(len, waves)) / RATE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = encoder_of(args, folder)
        extractor = extractors.open_extractor(spec, folder / "e.safetensors", torch.device("cpu"), "fp32")
        limit = min(args.batch_seconds * RATE, extractor.most)
        sides = {
            "bare forward": bare(spec, folder, waves, limit),
            "extraction": lambda: store(extractor, folder, waves, limit),
            "obvious loop": obvious(spec, folder, waves),
        }
        spent: dict[str, list[np.ndarray]] = {side: [] for side in sides}
        for round_ in range(args.rounds):
            for side, work in list(sides.items())[:: 1 if round_ % 2 else -1]:
                with torch.inference_mode():
                    work()
                    began = np.array([time.perf_counter(), time.process_time()])
                    work()
                spent[side].append(np.array([time.perf_counter(), time.process_time()]) - began)
    what = args.encoder.name if args.encoder else args.size
    print(
        f"{what}: {len(waves)} clips, {seconds:.0f} s of audio, layers {len(extractor.widths)}, {args.threads} threads"
    )
    for side, found in spent.items():
        median = statistics.median(one[0] for one in found)
        ratios = [np.median([e / s for e, s in zip(spent[b], found, strict=True)], 0) for b in list(sides)[::2]]
        print(
            f"{side:14} {seconds / median:7.1f} s of audio per second; throughput over bare {ratios[0][0]:5.2f} "
            f"(processor {ratios[0][1]:5.2f}), over the obvious loop {ratios[1][0]:5.2f} ({ratios[1][1]:5.2f})"
        )


def audio(path: Path, clips: int) -> list[np.ndarray]:
    if path.is_file():
        store = AudioStore(path)
        return [store.read(i) for i in range(min(clips, len(store)))]
    found = sorted(p for p in path.rglob("*") if p.suffix in (".wav", ".flac"))
    chosen = np.random.default_rng(1).permutation(len(found))[:clips]
    return [soundfile.read(found[i], dtype="float32")[0] for i in chosen]


def encoder_of(args, folder: Path):
    if args.encoder:
        import json

        whisper = json.loads((args.encoder / "config.json").read_text())["model_type"] == "whisper"
        kind = specs.Whisper if whisper else specs.Transformers
        return kind.model_validate(shipped(kind, source=str(args.encoder), revision="", layers=["all"]))
    torch.manual_seed(0)
    SpeechEncoder.build({"model_type": "hubert"} | SIZES[args.size]).save(folder / "e.safetensors", {})
    return specs.BuiltinSpeech.model_validate(shipped(specs.BuiltinSpeech, pretrain="e", layers=["all"]))


def bare(spec, folder: Path, waves: list, limit: float):
    """The encoder's forward on the same batches as extraction, its results dropped."""
    if spec.kind == "whisper":
        from stages.encoders.whisper import load_whisper

        encoder = load_whisper(spec)
        batches = batching.plan(np.array([encoder.padded(len(wave)) for wave in waves]), limit)
        return lambda: [encoder([waves[i] for i in batch]) for batch in batches]
    from stages.encoders.speech import load_speech

    encoder = load_speech(spec, folder / "e.safetensors")
    batches = [batching.collate([waves[i] for i in b]) for b in batching.plan(np.array([len(w) for w in waves]), limit)]
    return lambda: [encoder(*batch) for batch in batches]


def store(extractor, folder: Path, waves: list, limit: float) -> None:
    names, sizes = [f"u{i}" for i in range(len(waves))], np.array([len(wave) for wave in waves])
    extraction.write_store(
        folder / "s.h5",
        extractor,
        names=names,
        sizes=sizes,
        read=waves.__getitem__,
        limit=limit,
        dtype="float16",
        attributes={},
    )


def obvious(spec, folder: Path, waves: list):
    """transformers' own model, one utterance at a time, one .npy each."""
    if spec.kind == "whisper":
        from transformers import WhisperFeatureExtractor

        from stages.encoders.whisper import load_whisper

        model, prepare = load_whisper(spec).model, WhisperFeatureExtractor.from_pretrained(spec.source)

        def forward(wave):
            mel = prepare(wave, sampling_rate=RATE, return_tensors="pt").input_features
            frames = -(-len(wave) // 320)
            return [state[0, :frames] for state in model(mel, output_hidden_states=True).hidden_states]
    else:
        from transformers import AutoModel

        from stages.encoders.speech import load_speech

        loaded = load_speech(spec, folder / "e.safetensors").model
        model = AutoModel.from_config(loaded.config).eval()
        model.load_state_dict(loaded.state_dict())

        def forward(wave):
            return [state[0] for state in model(torch.from_numpy(wave)[None], output_hidden_states=True).hidden_states]

    def work():
        for i, wave in enumerate(waves):
            np.save(folder / f"{i}.npy", np.stack([state.numpy().astype(np.float16) for state in forward(wave)]))

    return work


if __name__ == "__main__":
    main()
