"""Extract frozen features: all asked layers of one encoder, in one pass over a corpus' audio or transcripts.

With ``--part 2of3`` the share of one of three jobs, a shard; with ``--shards`` the store over those that are done.

A clip shorter than an encoder's receptive field (400 samples) is filled up with zeros.
"""

import hashlib
import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Literal

import numpy as np

from stages import code, devices, jobs, settings
from stages.corpora.transcripts import read_transcripts
from stages.encoders import specs
from stages.encoders.specs import is_text
from stages.errors import UserError
from stages.settings import Section, setting
from stages.stores import scratch

LIBRARIES = ("torch", "transformers", "numpy", "opensmile")


class Features(Section):
    """How features are extracted, the same for all encoders."""

    batch_seconds: float = setting(
        60.0, "largest padded length of a batch of audio, seconds; less where a processor's cache is full", gt=0
    )
    batch_tokens: int = setting(4096, "largest padded length of a batch of texts, tokens", ge=1)
    dtype: Literal["float16", "float32"] = setting("float16", "type of the stored values")
    precision: Literal["fp32", "bf16", "fp16"] = setting(
        "fp32", "type of matrix products; bf16 pays only on processors that have it, fp16 needs a GPU"
    )
    threads: int = setting(1, "threads; another number rounds differently", ge=1)


def main(args) -> None:
    """Write the store of one encoder over one corpus, or one shard of it."""
    if args.shards:
        join(args)
        return
    section = settings.load(Features, "features", args.params)
    spec = specs.load(args.params, args.encoder)
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
    from stages.encoders.extraction import write_store
    from stages.encoders.extractors import open_extractor
    from stages.stores.audio import RATE, AudioStore

    attributes = {"manifest": "", "transcripts": ""}
    if is_text(spec):
        table = read_transcripts(source)
        utterances, texts = table["utterance"].tolist(), table["text"].tolist()
        attributes["transcripts"] = jobs.sha256(source)
    else:
        store = AudioStore(source)
        utterances, attributes["manifest"] = store.utterances, store.manifest
    if args.part != "1of1":
        attributes["device"] = device.type if device else "cpu"
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
    plan = {
        "attributes": attributes,
        "encoder": spec.model_dump(),
        "section": section.model_dump(),
        "device": str(device),
        "part": args.part,
        "code": code.digest("stages.features"),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "of": [[name, int(size)] for name, size in zip(utterances, sizes, strict=True)],
    }
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
    partial, who = _unfinished(args.scratch, args.out), f"{args.corpus}: "
    partial.parent.mkdir(parents=True, exist_ok=True)
    count = int(args.part.partition("of")[2])
    every = [args.out.with_name(f"{i}of{count}.h5") for i in range(1, count + 1)]
    others = [file for out in every if out != args.out for file in (out, _unfinished(args.scratch, out))]
    with jobs.writing(args.out) as temporary, jobs.locked(partial):
        frames = write_store(
            *(partial, extractor, utterances, sizes, read, limit, section.dtype, attributes, who, digest),
            *(args.part, others if count > 1 else ()),
        )
        shutil.move(partial, temporary)
    jobs.log.info("%d frames, layers %s", frames, ", ".join(extractor.widths))


def _unfinished(root: Path, out: Path) -> Path:
    """Where a store lies until it is finished."""
    return root / "features" / "-".join(out.parts[-3:])


def join(args) -> None:
    """Write the store over the shards that other jobs have extracted."""
    from stages.stores import shards
    from stages.stores.audio import AudioStore

    audio = AudioStore(args.audio)
    with jobs.writing(args.out) as temporary:
        store = shards.join(temporary, args.shards, audio.utterances, audio.manifest)
    jobs.log.info("%d utterances, %d frames in %d shards", len(store), store.offsets[-1], len(args.shards))
    known = {shard.resolve() for shard in args.shards}
    for path in sorted(args.shards[0].parent.glob("*of*.h5")):
        if path.resolve() not in known:
            jobs.log.warning("%s: no shard of this store any more; delete it", path)


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of the corpus (for messages)")
    parser.add_argument("--encoder", required=True, help="an entry of encoders:")
    parser.add_argument("--audio", type=Path, help="audio store (for speech encoders)")
    parser.add_argument("--transcripts", type=Path, help="transcripts CSV (for text encoders)")
    parser.add_argument("--pretrained", type=Path, help="the built-in encoder's file")
    parser.add_argument("--part", default="1of1", help="share of the batches, as 2of3 (default: 1of1, all): a shard")
    parser.add_argument("--shards", type=Path, nargs="+", help="extract nothing, join these shards, 1ofN to NofN")
    parser.add_argument("--out", type=Path, required=True, help="feature store to write")
    parser.add_argument("--scratch", type=Path, default=scratch.ROOT, help="where an unfinished store lies meanwhile")


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
