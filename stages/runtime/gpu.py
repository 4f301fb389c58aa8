"""The device of a process: each job takes one GPU of the machine."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import UserError
from .reporting import log

POLL_SECONDS = 0.2
COMPUTES = "computes on GPU"
"""The log line of a job that computes on a GPU; reports count its hours."""
_held: list[FileLock] = []
"""The lock of the claimed GPU: released when the process ends, and not inherited by its children."""


def visible() -> list[str]:
    """The GPUs that this process may use, as UUIDs of ``nvidia-smi -L``; none where there is no such program.

    ``CUDA_VISIBLE_DEVICES`` (indices, UUIDs or their beginnings; '' or -1 for none) narrows the choice. In a job of
    SLURM, which sets it for the GPUs that it assigns, a job without it was given none, whatever the node has.

    Raises
    ------
    UserError
        It names a GPU that the machine does not have.
    """
    if not shutil.which("nvidia-smi"):
        return []
    answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode:
        log.warning("nvidia-smi -L failed (%s); computing on the CPU", answer.stderr.strip()[:100])
        return []
    there = re.findall(r"^GPU \d+:.*\(UUID: ([^)]+)\)", answer.stdout, re.MULTILINE)
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return [] if "SLURM_JOB_ID" in os.environ else there
    chosen = []
    for name in filter(None, (part.strip() for part in wanted.split(","))):
        if name in ("-1", "NoDevFiles"):  # CUDA ignores what follows; the word is SLURM's
            break
        if name.startswith("MIG-"):  # an instance of a GPU, listed below it
            chosen.append(name)
            continue
        found = there[int(name) : int(name) + 1] if name.isdigit() else [u for u in there if u.startswith(name)]
        if not found:
            raise UserError(f"CUDA_VISIBLE_DEVICES: {name}: this machine has {len(there)} GPUs; name one of them")
        chosen.append(found[0])
    return chosen


def claim() -> str | None:
    """Take a GPU that no other process of this user holds, waiting until one is free; None where there is none.

    It is held until the process ends, and is the only one that CUDA shows to it.

    Raises
    ------
    RuntimeError
        torch was imported before, so the choice might come too late.
    """
    names = visible()
    if not names:
        return None
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        raise RuntimeError("claim a GPU before CUDA is used")
    folder = Path(tempfile.gettempdir()) / f"serpentine-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    waited = False
    while True:
        for name in names:
            lock = FileLock(folder / hashlib.sha256(name.encode()).hexdigest()[:16])
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            _held.append(lock)
            os.environ["CUDA_VISIBLE_DEVICES"] = name
            return name
        if not waited:
            log.info("all %d GPUs are in use by other jobs; waiting", len(names))
            waited = True
        time.sleep(POLL_SECONDS)


def pick():
    """The ``torch.device`` of this process: a claimed GPU (the same on every call), else the CPU.

    A GPU that the installed torch cannot use is left alone, with a warning. Float32 on a GPU is true float32 (no TF32).
    """
    name = os.environ["CUDA_VISIBLE_DEVICES"] if _held else claim()
    import torch

    if name is None:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        log.warning("GPU %s is there, but this torch cannot use it; computing on the CPU", name)
        return torch.device("cpu")
    log.info("%s %s", COMPUTES, name)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only so
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")
