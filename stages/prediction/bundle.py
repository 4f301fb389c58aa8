"""A trained system as one folder that needs neither params.yaml nor data/: weights, parameters, labels, a check.

bundle.json              study, system, caveats, the golden input's text and the output expected for it
params.yaml              the sections features and ingest, and the entries of the encoders
models.safetensors       the models of all folds and seeds, with the trained row and the labels in the header
speech.safetensors, text.safetensors   built-in encoders; any other is named in params.yaml by source and revision
seen.txt                 digests of the audio that the models were trained on
golden.flac              a sentence synthesised with eSpeak NG, in a voice of no corpus
SHA256SUMS               digests of all these files, for ``sha256sum -c``
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import yaml

from ..config import settings
from ..corpora.audio_file import RATE, decode
from ..runtime import disk
from ..runtime.errors import UserError
from ..training import units
from .clips import Clip, Request
from .predictor import Predictor
from .trained_system import Trained

FORMAT = 2
ALWAYS = ("bundle.json", "params.yaml", "models.safetensors", "seen.txt", "golden.flac")
TOLERANCE = 1e-3
"""For probabilities, and for dimensions in their units; other processors or torch versions differ by about 1e-5."""


def write(folder: Path, trained: Trained, predictor: Predictor) -> None:
    """Write ``trained`` as a bundle: under a temporary name beside ``folder``, then renamed.

    Raises
    ------
    UserError
        The folder exists already.
    """
    if folder.exists():
        raise UserError(f"{folder}: exists already; choose another name or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        _fill(temporary, trained, predictor)
        names = sorted(path.name for path in temporary.iterdir())
        sums = "".join(f"{disk.sha256(temporary / name)}  {name}\n" for name in names)
        (temporary / "SHA256SUMS").write_text(sums)
        temporary.chmod(0o755)
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, trained: Trained, predictor: Predictor) -> None:
    import soundfile

    from ..corpora import planted

    encoders = [entry["name"] for entry in trained.about["encoders"].values()]
    kept = {key: settings.read(trained.params, key) for key in ("features", "ingest")}
    kept["encoders"] = {name: settings.read(trained.params, f"encoders.{name}") for name in encoders}
    (folder / "params.yaml").write_text(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))
    for kind, path in trained.weights.items():
        shutil.copyfile(path, folder / f"{kind}.safetensors")
    models = {unit: (units.read(path, *unit)[0], {}) for unit, path in trained.models.items()}
    units.write(folder / "models.safetensors", models, "", trained.about)
    (folder / "seen.txt").write_text("".join(f"{digest}\n" for digest in sorted(trained.seen)))
    ((_, samples),) = planted.unlabelled(seed=0, utterances=1, workers=1)
    text = planted.unlabelled_sentences(0, 1)[0] if trained.row.needs_text else ""
    soundfile.write(folder / "golden.flac", samples, RATE, subtype="PCM_16")
    expected = predictor.predict([_golden(folder, text)])[0]
    about = {
        "format": FORMAT,
        "study": trained.study,
        "system": trained.name,
        "caveats": trained.caveats,
        "golden": {"text": text, "expected": dict(zip(trained.labels, expected.tolist(), strict=True))},
    }
    (folder / "bundle.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _golden(folder: Path, text: str) -> Clip:
    samples, _ = decode(folder / "golden.flac")
    return Clip(Request("golden.flac", "golden", text), samples, 0.0, len(samples) / RATE)


def read(folder: Path) -> Trained:
    """The system in a bundle, after a check of every file's digest.

    Raises
    ------
    UserError
        The folder is no bundle or has another format, or a file is missing or changed.
    """
    about = _proven(folder)
    if about.get("format") != FORMAT:
        raise UserError(
            f"{folder}: has format {about.get('format')}, this program reads {FORMAT}; make the bundle again"
        )
    models = folder / "models.safetensors"
    files = {kind: folder / f"{kind}.safetensors" for kind in ("speech", "text")}
    return Trained(
        study=about["study"],
        name=about["system"],
        params=str(folder / "params.yaml"),
        about=units.about(models),
        models=dict.fromkeys(sorted(units.notes(models)), models),
        weights={kind: path for kind, path in files.items() if path.exists()},
        caveats=about["caveats"],
        seen=frozenset((folder / "seen.txt").read_text().split()),
    )


def _proven(folder: Path) -> dict:
    """bundle.json, after a check of every file's digest."""
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        raise UserError(f"{folder}: not a bundle, it has no SHA256SUMS; make one with --study, --system and --bundle")
    lines = [line.partition("  ") for line in sums.read_text(encoding="utf-8", errors="replace").splitlines()]
    digests = {name: digest for digest, _, name in lines}
    for name in sorted({*ALWAYS, *digests}):
        path = folder / Path(name).name
        if not path.is_file():
            raise UserError(f"{path}: missing from the bundle; copy the whole folder again")
        if disk.sha256(path) != digests.get(name):
            raise UserError(f"{path}: changed since it was written (SHA-256); copy the bundle again")
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


def check(folder: Path, predictor: Predictor) -> None:
    """Predict the golden input; a :class:`UserError` if the output differs from the output stored in the bundle."""
    golden = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["golden"]
    expected = golden["expected"]
    predicted = predictor.predict([_golden(folder, golden["text"])])[0]
    if list(expected) != predictor.trained.labels:
        raise UserError(f"{folder}: its golden output has other labels than its models; make the bundle again")
    worst = float(np.abs(predicted - np.array(list(expected.values()))).max())
    if not worst <= TOLERANCE:
        raise UserError(
            f"{folder}: the golden input gives other output than when the bundle was made (by {worst:.2g}, at most"
            f" {TOLERANCE:g}); use the pinned environment, or make the bundle again"
        )
