"""A system from a study that has run in this folder, with its models, encoders and caveats, for prediction."""

import csv
import dataclasses
import json
from pathlib import Path

from ..config import settings
from ..runtime.errors import UserError
from ..workflow.plan import DATA, Plan
from .trained_system import Trained, assembled


def of_study(params: str, study: str, name: str, fold: int | None = None, seed: int | None = None) -> Trained:
    """The system that the study wrote under data/, with all folds and seeds or one of them.

    Raises
    ------
    UserError
        The study, system, fold or seed does not exist, the study has not run, or the system is a control without input.
    """
    plan = Plan(settings.read(params, ""), params)
    entry = settings.read(params, f"studies.{study}")
    if name not in entry["systems"]:
        raise UserError(f"{params}: studies.{study}.systems: no '{name}'{settings.nearest(name, entry['systems'])}")
    if plan.row(study, name).modality == "none":
        raise UserError(f"{name}: a control that uses no audio; choose a system that does")
    if plan.row(study, name).recipe == "external":
        raise UserError(f"{name}: its predictions come from elsewhere, so there is no model; choose another system")
    trained = assembled(params, study, name, [Path(path) for path in plan.models(study, name)], {})
    chosen = {u: p for u, p in trained.models.items() if fold in (None, u[0]) and seed in (None, u[1])}
    if not chosen:
        raise UserError(
            f"{name}: no model of fold {fold}, seed {seed}; the trained ones are: {', '.join(map(str, trained.models))}"
        )
    weights = {k: plan.weights(encoder["name"]) for k, encoder in trained.about["encoders"].items()}
    weights = {kind: Path(path) for kind, path in weights.items() if path}
    tables = plan.files(study, ())
    seen = _seen(Path(tables["manifest"]), Path(tables["protocol"]), {unit[0] for unit in chosen})
    trained = dataclasses.replace(trained, models=chosen, weights=weights, seen=seen)
    return dataclasses.replace(trained, caveats=_caveats(trained, entry))


def _seen(manifest: Path, protocol: Path, folds: set[int]) -> frozenset[str]:
    with open(protocol, encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle)
        used = {r["utterance"] for r in rows if int(r["fold"]) in folds and r["role"] in ("train", "val")}
    with open(manifest, encoding="utf-8", newline="") as handle:
        return frozenset(r["sha256"][:16] for r in csv.DictReader(handle) if r["utterance"] in used)


NORMALISED = {
    "global": "features normalised by the training utterances",
    "speaker": "features normalised by each speaker's given files (in the study: by all utterances of a speaker)",
}


def _caveats(trained: Trained, study: dict) -> str:
    """One line that a user must know, with the figures that ``evaluate`` wrote."""
    from ..corpora import readers

    path = Path(f"{DATA}/evaluate/{trained.study}/{trained.name}.json")
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    except (OSError, ValueError, KeyError):
        raise UserError(
            f"{path}: has no figures for these models; run the study first (make {trained.study})"
        ) from None
    names = {"uar": "UAR", **{f"ccc_{d}": f"CCC of {d}" for d in ("arousal", "valence", "dominance")}}
    scores = [f"{label} {_figure(n, figures[n])}" for n, label in names.items() if n in figures]
    first = next(iter(figures.values()))
    tested = f"{first['n_utterances']} test utterances of {first['n_speakers']} speakers"
    folds, seeds = ({unit[i] for unit in trained.models} for i in (0, 1))
    count = f"mean of {len(trained.models)} models ({len(folds)} folds, seeds {', '.join(map(str, sorted(seeds)))})"
    normalised = NORMALISED.get(getattr(trained.row, "normalise", "none"), "no normalisation of features")
    licence = readers.licence(settings.read(trained.params, f"corpora.{study['corpus']}.reader"))
    parts = [
        f"{trained.name} of study {trained.study}: corpus {study['corpus']}, protocol {study['protocol']}",
        *([first["watermark"]] if first.get("watermark") else []),
        f"{', '.join(scores)} on {tested}, each by a model not trained on them",
        f"this is the {count}" if len(trained.models) > 1 else "this is one of them",
        normalised,
        "not tested on other speakers, languages, rooms or ways to elicit emotion",
        f"licence of the corpus: {licence or 'unknown; ask its owner'}",
    ]
    return "; ".join(" ".join(part.split()) for part in parts)


def _figure(name: str, figure: dict) -> str:
    times, unit, digits = (100, " %", 1) if name == "uar" else (1, "", 2)
    low, high = (f"{times * figure[end]:.{digits}f}" for end in ("ci_low", "ci_high"))
    return f"{times * figure['pooled']:.{digits}f}{unit} [{low}, {high}]"
