"""Extract frozen features: all asked layers of one encoder, in one pass over a corpus' audio or transcripts.

With ``--part 2of3`` the share of one of three jobs, a shard; with ``--shards`` the store over those that are done.

A clip shorter than an encoder's receptive field (400 samples) is filled up with zeros.
"""

import hashlib
import importlib.metadata
import json
import shutil
from pathlib import Path

import numpy as np

from .config import settings
from .encoders import specs
from .encoders.specs import is_text
from .runtime import code_digest, disk, gpu, process
from .runtime.errors import UserError
from .runtime.reporting import log
from .stores import scratch
from .transcripts.table import read_transcripts
from .transcripts.text import plain

LIBRARIES = ("torch", "transformers", "numpy", "opensmile")


def main(args) -> None:
    """Write the store of one encoder over one corpus, or one shard of it."""
    if args.shards:
        join(args.out, args.shards, args.audio)
        return
    section = settings.load(specs.Features, "features", args.params)
    spec = specs.load(args.params, args.encoder)
    if specs.NEEDED in spec.layers:
        spec = specs.with_layers(spec, settings.read(args.params, f"stored.{args.corpus}.{args.encoder}"))
    source = args.transcripts if is_text(spec) else args.audio
    if source is None:
        wanted = "--transcripts" if is_text(spec) else "--audio"
        raise UserError(f"encoder {args.encoder}: of kind '{spec.kind}', so it needs {wanted}")
    process.use_threads(section.threads)
    networked = spec.kind not in ("egemaps", "spectrogram", "mfcc")
    device = None
    if networked:
        device = gpu.pick()
        import torch

        torch.set_num_threads(section.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
    from .encoders.extraction import write_store
    from .encoders.extractors import open_extractor
    from .stores.audio import RATE, AudioStore

    attributes = {"audio": "", "transcripts": ""}
    if is_text(spec):
        table = read_transcripts(source)
        utterances, texts = table["utterance"].tolist(), [plain(text) for text in table["text"]]
        attributes["transcripts"] = disk.sha256(source)
    else:
        store = AudioStore(source)
        utterances, attributes["audio"] = store.utterances, store.content
    if args.part != "1of1":
        attributes["device"] = device.type if device else "cpu"
    extractor = open_extractor(spec, args.pretrained, device, section.precision)
    if is_text(spec):
        sizes, read, limit = np.array(extractor.lengths(texts), int), texts.__getitem__, section.batch_tokens
    else:
        sizes, read, limit = store.lengths, store.read, section.batch_seconds * RATE
    seen = extractor.notes.get("seen", {})  # its lists stay in the header of the encoder's file
    attributes |= {
        "encoder": args.encoder,
        "kind": spec.kind,
        "source": getattr(spec, "source", getattr(spec, "pretrain", "")),
        "revision": getattr(spec, "revision", ""),
        "weights": extractor.weights,
        "normalised": getattr(spec, "normalise", False),
        "hop": extractor.hop,
        "precision": section.precision if networked else "fp32",
        "seen": json.dumps({k: v for k, v in seen.items() if not isinstance(v, list)}, sort_keys=True),
    }
    plan = {
        "attributes": attributes,
        "encoder": spec.model_dump(),
        "section": section.model_dump(),
        "device": str(device),
        "part": args.part,
        "code": code_digest.digest("features"),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "of": [[name, int(size)] for name, size in zip(utterances, sizes, strict=True)],
    }
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
    partial = _unfinished(args.scratch, args.out)
    partial.parent.mkdir(parents=True, exist_ok=True)
    count = int(args.part.partition("of")[2])
    every = [args.out.with_name(f"{i}of{count}.h5") for i in range(1, count + 1)]
    others = [file for out in every if out != args.out for file in (out, _unfinished(args.scratch, out))]
    with disk.writing(args.out) as temporary, disk.locked(partial):
        frames = write_store(
            partial,
            extractor,
            names=utterances,
            sizes=sizes,
            read=read,
            limit=limit,
            dtype=section.dtype,
            attributes=attributes,
            who=f"{args.corpus}: ",
            plan=digest,
            shard=args.part,
            others=others if count > 1 else (),
            processes=args.cores,
        )
        shutil.move(partial, temporary)
    log.info("%d frames, layers %s", frames, ", ".join(extractor.widths))


def _unfinished(root: Path, out: Path) -> Path:
    """Where a store lies until it is finished."""
    return root / "features" / "-".join(out.parts[-3:])


def join(out: Path, parts: list[Path], audio: Path) -> None:
    """Write the store ``out`` over the shards ``parts`` that other jobs have extracted from ``audio``."""
    from .stores import shards
    from .stores.audio import AudioStore

    recordings = AudioStore(audio)
    with disk.writing(out) as temporary:
        store = shards.join(temporary, parts, recordings.utterances, recordings.content)
    log.info("%d utterances, %d frames in %d shards", len(store), store.offsets[-1], len(parts))
    known = {shard.resolve() for shard in parts}
    for path in sorted(parts[0].parent.glob("*of*.h5")):
        if path.resolve() not in known:
            log.warning("%s: no longer a shard of this store; delete it", path)


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of the corpus (for messages)")
    parser.add_argument("--encoder", required=True, help="an entry of encoders:")
    parser.add_argument("--audio", type=Path, help="audio store (for speech encoders)")
    parser.add_argument("--transcripts", type=Path, help="transcripts CSV (for text encoders)")
    parser.add_argument("--pretrained", type=Path, help="the built-in encoder's file")
    parser.add_argument("--cores", type=int, default=1, help="processes that compute descriptors (default: 1)")
    parser.add_argument("--part", default="1of1", help="share of the batches, as 2of3 (default: 1of1, all): a shard")
    parser.add_argument("--shards", type=Path, nargs="+", help="extract nothing, join these shards, 1ofN to NofN")
    parser.add_argument("--out", type=Path, required=True, help="feature store to write")
    parser.add_argument("--scratch", type=Path, default=scratch.ROOT, help="where an unfinished store lies meanwhile")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
