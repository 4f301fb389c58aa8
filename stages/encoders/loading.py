"""Weights from a local folder or the Hugging Face hub, loaded so that nothing is silently left random."""

import hashlib
import re
from pathlib import Path

from ..runtime import disk
from ..runtime.errors import UserError

MAY_MISS = r"masked_spec_embed|.*pooler\..*|.*position_ids"
"""Parameters that a checkpoint may lack, for features never pass through them."""
MAY_BE_EXTRA = (
    r"(.*\.)?(lm_head|quantizer|project_q|project_hid|projector|classifier|final_proj|label_embs_concat|proj_out|"
    r"layer_weights|masked_spec_embed|cls|vocab_transform|vocab_projector|vocab_layer_norm|fit_denses?|pooler|"
    r"position_ids|num_batches_tracked)(\..*)?|(model\.)?decoder\..*"
)
"""Parameters of heads, quantisers and decoders, which a checkpoint may have in excess."""


def folder_of(source: str, revision: str) -> Path:
    """The local folder with configuration and weights, downloaded at ``revision`` if that is given.

    Raises
    ------
    UserError
        The folder does not exist, or the hub cannot give that revision.
    """
    if not revision:
        folder = Path(source)
        if not (folder / "config.json").is_file():
            raise UserError(
                f"encoder from '{source}': no folder with a config.json there; give a local folder in "
                "Hugging Face layout, or a hub id together with its revision (a commit)"
            )
        return folder
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    plain = ["*.json", "*.txt", "*.model"]
    wanted = ["model.safetensors", "model-*.safetensors"]
    try:
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=plain + wanted))
        if not list(folder.glob("model*.safetensors")) and not list(folder.glob("pytorch_model*.bin")):
            names = HfApi().list_repo_files(source, revision=revision)
            if any(re.fullmatch(r"pytorch_model.*\.bin", name) for name in names):
                folder = Path(
                    snapshot_download(source, revision=revision, allow_patterns=[*plain, "pytorch_model*.bin"])
                )
        return folder
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as fault:
        raise UserError(
            f"encoder from '{source}' at revision {revision}: cannot be downloaded ({type(fault).__name__}); fetch it "
            "where there is a network (hf download), then set source to that folder and revision to ''"
        ) from None
    except Exception as fault:  # network libraries raise their own errors, none of them an OSError
        if type(fault).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "requests"):
            raise
        raise UserError(
            f"encoder from '{source}' at revision {revision}: the hub cannot be reached ({type(fault).__name__}); "
            "fetch it where there is a network (hf download), then set source to that folder and revision to ''"
        ) from None


def weights_of(folder: Path) -> list[Path]:
    """The weight files of a folder: safetensors if it has them, else PyTorch's."""
    files = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise UserError(f"{folder}: no model.safetensors and no pytorch_model.bin; put the encoder's weights there")
    return files


def digest(files: list[Path]) -> str:
    """SHA-256 of the weights' bytes; of several files, of their digests' concatenation.

    Raises
    ------
    UserError
        A file of the hub's cache, where large files are named by their digest, is not what was published.
    """
    sums = [disk.sha256(file) for file in files]
    for file, sha256 in zip(files, sums, strict=True):
        published = file.resolve().name if file.is_symlink() else ""
        if re.fullmatch(r"[0-9a-f]{64}", published) and sha256 != published:
            sums = f"SHA-256 {sha256[:12]}… where the hub's is {published[:12]}…"
            raise UserError(f"{file}: {sums}; delete {file.resolve()} and run again")
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def quiet() -> None:
    """Keep transformers from printing load reports and progress bars: what matters is checked by :func:`load`."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def load(cls, folder: Path, config, name: str, **options):
    """``cls.from_pretrained`` in float32, with every parameter accounted for; ``options`` go to the model's class.

    Raises
    ------
    UserError
        A parameter is missing or unexpected outside the allow-lists, has another shape, or a file is damaged.
    """
    import torch

    quiet()
    files = weights_of(folder)
    try:
        model, report = cls.from_pretrained(
            folder,
            config=config,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported, and refused below
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=files[0].suffix == ".safetensors",
            **options,
        )
    except Exception as fault:
        raise UserError(
            f"{name}: {folder}: the weights cannot be loaded ({' '.join(str(fault).split())[:200]}); fetch them anew"
        ) from fault
    missing = sorted(k for k in report["missing_keys"] if not re.fullmatch(MAY_MISS, k))
    extra = sorted(k for k in report["unexpected_keys"] if not re.fullmatch(MAY_BE_EXTRA, k))
    shapes = sorted(str(k[0] if isinstance(k, tuple) else k) for k in report["mismatched_keys"])
    for keys, what in ((missing, "lack"), (extra, "hold unexpected"), (shapes, "have another shape for")):
        if keys:
            raise UserError(
                f"{name}: {folder}: the weights {what} {', '.join(keys[:5])}{' …' if len(keys) > 5 else ''} "
                f"({len(keys)} in all); use the checkpoint that belongs to this config.json"
            )
    return model.eval()
