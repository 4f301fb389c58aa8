"""How much disk a job of ``features`` will fill, told before the encoder is opened."""

import csv
import json
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from ..config import settings
from ..encoders import checkpoint, specs
from ..workflow.plan import DATA
from ..workflow.snakemake_inside import Job

RATE = 16_000
STRIDE = 320
"""Samples per frame where a configuration does not say: of wav2vec 2.0, HuBERT and Whisper's encoder."""


def of_job(job: Job, params: dict) -> int | None:
    """Bytes of the frames that a job will write: frames x width x type, summed over its layers.

    None where that is not known here: other jobs, text, descriptors, a corpus that was never decoded, or an encoder
    whose configuration is not on this machine. A corpus' shards are counted alike.
    """
    corpus, encoder = job.wildcards.get("corpus", ""), job.wildcards.get("encoder", "")
    table = Path(f"{DATA}/ingest/{corpus}/manifest.csv")
    if job.rule not in ("features", "features_part") or "shards" in job.inputs or not table.exists():
        return None
    key = f"encoders.{encoder}"
    spec = settings.adapt(TypeAdapter(specs.Encoder), job.reads[key], key)
    shape = _shape(spec, params)
    if shape is None:
        return None
    depth, width, conv, stride = shape
    names = specs.chosen(specs.with_layers(spec, job.reads.get(f"stored.{corpus}.{encoder}", [])), depth, taps=True)
    columns = sum(conv if name == "conv" else width for name in names)
    with table.open(encoding="utf-8", newline="") as file:
        seconds = sum(float(row["duration"]) for row in csv.DictReader(file))
    share = int(job.wildcards.get("part", "1of1").partition("of")[2])
    size = np.dtype(job.reads["features"]["dtype"]).itemsize
    return round(seconds * RATE / stride * columns * size / share)


def _shape(spec, params: dict) -> tuple[int, int, int, int] | None:
    """Blocks, channels of a hidden state and of the CNN's output, samples per frame; None where they are not known."""
    if spec.kind == "builtin-speech":
        made = params["pretrain"][spec.pretrain]
        if made["source"]:
            return _configured(made["source"], made["revision"], spec.truncate_layers)
        return spec.truncate_layers or made["layers"], made["width"], made["conv_widths"][-1], STRIDE
    if spec.kind in ("transformers", "whisper"):
        return _configured(spec.source, spec.revision, getattr(spec, "truncate_layers", 0))
    return None


def _configured(source: str, revision: str, blocks: int) -> tuple[int, int, int, int] | None:
    """What a file that pretrain made, or the config.json of a local folder or the hub's cache, says; no downloads."""
    if source.endswith(".safetensors"):
        return _shape_of(checkpoint.header(source)["config"], blocks) if Path(source).is_file() else None
    found: Path | str | None = Path(source) / "config.json"
    if revision:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(source, "config.json", revision=revision)
    if not isinstance(found, str | Path) or not Path(found).is_file():
        return None
    return _shape_of(json.loads(Path(found).read_text(encoding="utf-8")), blocks)


def _shape_of(config: dict, blocks: int) -> tuple[int, int, int, int] | None:
    depth = config.get("num_hidden_layers", config.get("encoder_layers"))
    width = config.get("hidden_size", config.get("d_model"))
    if not depth or not width:
        return None
    stride = int(np.prod(config.get("conv_stride", [STRIDE])))
    return min(depth, blocks) if blocks else depth, width, config.get("conv_dim", [width])[-1], stride
