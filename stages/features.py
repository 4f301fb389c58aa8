"""Extract frozen features: all asked layers of one encoder, in one pass over a corpus' audio or transcripts.

A clip shorter than an encoder's receptive field (400 samples) is filled up with zeros.
"""

import hashlib
import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter

from stages import code, devices, jobs, settings
from stages.corpora.transcripts import read_transcripts
from stages.encoders.specs import Encoder, is_text
from stages.errors import UserError
from stages.settings import Section, setting
from stages.stores import scratch

LIBRARIES = ("torch", "transformers", "numpy", "opensmile")


class Features(Section):
    """How features are extracted, the same for all encoders."""

    batch_seconds: float = setting(60.0, "largest padded length of a batch of audio, seconds", gt=0)
    batch_tokens: int = setting(4096, "largest padded length of a batch of texts, tokens", ge=1)
    dtype: Literal["float16", "float32"] = setting("float16", "type of the stored values")
    precision: Literal["fp32", "bf16", "fp16"] = setting(
        "fp32", "type of matrix products; bf16 pays only on processors that have it, fp16 needs a GPU"
    )
    threads: int = setting(1, "threads; another number rounds differently", ge=1)


def read_encoder(params: str, name: str):
    """The validated entry ``encoders.NAME`` of the parameter file."""
    key = f"encoders.{name}"
    return settings.adapt(TypeAdapter(Encoder), settings.read(params, key), key, params)


def extract(extractor, sizes: np.ndarray, read, limit: float, put, done: int = 0):
    """Run every item once, in the batches of :func:`stages.encoders.batching.plan`; yields their count after each.

    Parameters
    ----------
    sizes
        Samples or tokens of every item [items].
    read
        The item (waveform or text) at a position.
    limit
        Largest padded size of a batch, in the unit of ``sizes``.
    put
        Called with position, layer and values float32 [frames, width].
    done
        Batches to leave out, for an earlier run did them.
    """
    from stages.encoders import batching

    costs = np.array([extractor.size(size) for size in sizes])
    batches = batching.plan(costs, limit)
    for count, batch in enumerate(jobs.progress(batches[done:], "features"), done + 1):
        for i, layers in zip(batch, extractor.run([read(i) for i in batch]), strict=True):
            for layer, values in layers.items():
                put(i, layer, values)
        yield count


def narrowed(values: np.ndarray, dtype: str, who: str) -> np.ndarray:
    """``values`` in the type of the store; a value that is not finite, or is not any more, is an error."""
    if not np.isfinite(values).all():
        raise UserError(f"{who}: a value is not finite; look at that utterance's audio (features.precision: fp32?)")
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    if not np.isfinite(cast).all():
        raise UserError(
            f"params.yaml: features.dtype: {dtype} cannot hold {np.abs(values).max():g} ({who}); set it to float32"
        )
    return cast


def main(args) -> None:
    """Write the store of one encoder over one corpus."""
    section = settings.load(Features, "features", args.params)
    spec = read_encoder(args.params, args.encoder)
    source = args.transcripts if is_text(spec) else args.audio
    if source is None:
        wanted = "--transcripts" if is_text(spec) else "--audio"
        raise UserError(f"encoder {args.encoder}: of kind '{spec.kind}', so it needs {wanted}")
    jobs.use_threads(section.threads)
    networked = spec.kind not in ("egemaps", "spectrogram", "mfcc")
    device = None
    if networked:
        device = devices.pick()
        import torch

        torch.set_num_threads(section.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
    from stages.encoders.extractors import open_extractor
    from stages.stores.audio import RATE, AudioStore
    from stages.stores.features import FeatureWriter

    attributes = {"manifest": "", "transcripts": ""}
    if is_text(spec):
        table = read_transcripts(source)
        utterances, texts = table["utterance"].tolist(), table["text"].tolist()
        attributes["transcripts"] = jobs.sha256(source)
    else:
        store = AudioStore(source)
        utterances, attributes["manifest"] = store.utterances, store.manifest
    extractor = open_extractor(spec, args.pretrained, device, section.precision)
    if is_text(spec):
        sizes, read, limit = np.array(extractor.lengths(texts), int), texts.__getitem__, section.batch_tokens
    else:
        sizes, read, limit = store.lengths, store.read, section.batch_seconds * RATE
    heard = extractor.notes.get("heard", {})  # its lists stay in the header of the encoder's file
    attributes |= {
        "encoder": args.encoder,
        "kind": spec.kind,
        "source": getattr(spec, "source", getattr(spec, "pretrain", "")),
        "revision": getattr(spec, "revision", ""),
        "weights": extractor.weights,
        "normalised": getattr(spec, "normalise", False),
        "hop": extractor.hop,
        "precision": section.precision if networked else "fp32",
        "heard": json.dumps({k: v for k, v in heard.items() if not isinstance(v, list)}, sort_keys=True),
    }
    frames = np.array([extractor.frames(size) for size in sizes], np.int64)
    plan = {
        "attributes": attributes,
        "encoder": spec.model_dump(),
        "section": section.model_dump(),
        "device": str(device),
        "code": code.digest("stages.features"),
        "libraries": {
            name: importlib.metadata.version(name) for name in ("torch", "transformers", "numpy", "opensmile")
        },
        "of": [[name, int(n)] for name, n in zip(utterances, frames, strict=True)],
    }
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
    partial = args.scratch / "features" / "-".join(args.out.parts[-3:])
    partial.parent.mkdir(parents=True, exist_ok=True)
    with jobs.writing(args.out) as temporary, jobs.locked(partial):
        writer = FeatureWriter(partial, utterances, frames, extractor.widths, attributes, section.dtype, digest)
        if writer.done:
            jobs.log.info("going on after %d batches of an earlier run", writer.done)

        def put(i, layer, values):
            who = f"{args.corpus}: utterance {utterances[i]}, layer {layer}"
            writer.put(i, layer, narrowed(values, section.dtype, who))

        for done in extract(extractor, sizes, read, limit, put, writer.done):
            writer.mark(done)
        writer.close()
        shutil.move(partial, temporary)
    jobs.log.info("%d utterances, %d frames, layers %s", len(frames), frames.sum(), ", ".join(extractor.widths))


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of the corpus (for messages)")
    parser.add_argument("--encoder", required=True, help="an entry of encoders:")
    parser.add_argument("--audio", type=Path, help="audio store (for speech encoders)")
    parser.add_argument("--transcripts", type=Path, help="transcripts CSV (for text encoders)")
    parser.add_argument("--pretrained", type=Path, help="the built-in encoder's file")
    parser.add_argument("--out", type=Path, required=True, help="feature store to write")
    parser.add_argument("--scratch", type=Path, default=scratch.ROOT, help="where an unfinished store lies meanwhile")


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
