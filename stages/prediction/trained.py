"""A trained system of a study: where its models lie, what they were trained by, and what must be said of them."""

import csv
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from stages import settings, units
from stages.errors import UserError
from stages.plan import DATA, Plan
from stages.recipes import system

Unit = tuple[int, int]


@dataclass(frozen=True)
class Trained:
    """All that predicting takes.

    Attributes
    ----------
    params
        The parameter file: ``features``, ``ingest`` and the encoders' entries are read from it.
    about
        What ``train`` wrote of the models: ``row``, ``labels`` (classes or dimensions), ``encoders``.
    models
        The file that holds each unit (fold, seed).
    weights
        The files of built-in encoders, for ``speech`` and ``text``.
    caveats
        One line: corpus, protocol, figures, normalisation, licence.
    heard
        Digests of the audio that these models were trained or selected on (:func:`digest`).
    """

    study: str
    name: str
    params: str
    about: dict
    models: dict[Unit, Path]
    weights: dict[str, Path]
    caveats: str
    heard: frozenset[str]

    @property
    def row(self) -> system.System:
        """The settings that the models were trained by, whatever params.yaml says now."""
        values = self.about["row"]
        where = f"trained {self.name}"
        return settings.validate(system.settings_class(values["recipe"]), values, where, self.params)

    @property
    def labels(self) -> list[str]:
        return self.about["labels"]


def digest(samples) -> str:
    """Of decoded audio, int16 [samples]; the beginning of the manifest's ``sha256``."""
    return hashlib.sha256(samples.astype("<i2", copy=False)).hexdigest()[:16]


def of_study(params: str, study: str, name: str, fold: int | None = None, seed: int | None = None) -> Trained:
    """The system as the study left it under data/; of all folds and seeds, or of one.

    Raises
    ------
    UserError
        No such study, system, fold or seed; the study has not run; or the system is a control that hears nothing.
    """
    plan = Plan(settings.read(params, ""), params)
    own = settings.read(params, f"studies.{study}")
    if name not in own["systems"]:
        raise UserError(f"{params}: studies.{study}.systems: no '{name}'{settings.nearest(name, own['systems'])}")
    if plan.row(study, name).modality == "none":
        raise UserError(f"{name}: a control that hears nothing of a file; choose a system that listens")
    if plan.row(study, name).recipe == "external":
        raise UserError(f"{name}: its predictions were made elsewhere, so there is no model here to ask")
    files = [Path(path) for path in plan.models(study, name)]
    about = [_about(path, study) for path in files]
    if any(one != about[0] for one in about):
        raise UserError(f"data/{study}/{name}: its parts were trained by different settings; run the study again")
    models = {unit: path for path in files for unit in sorted(units.notes(path))}
    chosen = {u: p for u, p in models.items() if fold in (None, u[0]) and seed in (None, u[1])}
    if not chosen:
        raise UserError(f"{name}: no fold {fold}, seed {seed}; trained are: {', '.join(map(str, models))}")
    weights = {k: plan.weights(one["name"]) for k, one in about[0]["encoders"].items()}
    weights = {kind: Path(path) for kind, path in weights.items() if path}
    tables = plan.files(study, ())
    heard = _heard(Path(tables["manifest"]), Path(tables["protocol"]), {unit[0] for unit in chosen})
    trained = Trained(study, name, params, about[0], chosen, weights, "", heard)
    return dataclasses.replace(trained, caveats=_caveats(trained, own))


def _about(path: Path, study: str) -> dict:
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the study first (make {study})")
    return units.about(path)


def _heard(manifest: Path, protocol: Path, folds: set[int]) -> frozenset[str]:
    with open(protocol, encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle)
        used = {r["utterance"] for r in rows if int(r["fold"]) in folds and r["role"] in ("train", "val")}
    with open(manifest, encoding="utf-8", newline="") as handle:
        return frozenset(r["sha256"][:16] for r in csv.DictReader(handle) if r["utterance"] in used)


NORMALISED = {
    "global": "features normalised by the training utterances",
    "speaker": "features normalised by the given files of each speaker (in the study: by all that a speaker said)",
}


def _caveats(trained: Trained, study: dict) -> str:
    """One line of what a user must know; figures as ``evaluate`` wrote them."""
    from stages.corpora import readers

    path = Path(f"{DATA}/evaluate/{trained.study}/{trained.name}.json")
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    except (OSError, ValueError, KeyError):
        raise UserError(f"{path}: no figures of these models; run the study first (make {trained.study})") from None
    names = {"uar": "UAR", **{f"ccc_{d}": f"CCC of {d}" for d in ("arousal", "valence", "dominance")}}
    said = [f"{label} {_figure(n, figures[n])}" for n, label in names.items() if n in figures]
    first = next(iter(figures.values()))
    tested = f"{first['n_utterances']} test utterances of {first['n_speakers']} speakers"
    folds, seeds = ({unit[i] for unit in trained.models} for i in (0, 1))
    count = f"mean of {len(trained.models)} models ({len(folds)} folds, seeds {', '.join(map(str, sorted(seeds)))})"
    normalised = NORMALISED.get(getattr(trained.row, "normalise", "none"), "no normalisation of features")
    licence = readers.licence(settings.read(trained.params, f"corpora.{study['corpus']}.reader"))
    parts = [
        f"{trained.name} of study {trained.study}: corpus {study['corpus']}, protocol {study['protocol']}",
        *([first["watermark"]] if first.get("watermark") else []),
        f"{', '.join(said)} on {tested}, each by a model that did not hear them",
        f"this is the {count}" if len(trained.models) > 1 else "this is one of them",
        normalised,
        "nothing is known of other speakers, languages, rooms or ways to elicit emotion",
        f"licence of the corpus: {licence or 'its owner’s to say'}",
    ]
    return "; ".join(" ".join(part.split()) for part in parts)


def _figure(name: str, figure: dict) -> str:
    times, unit, digits = (100, " %", 1) if name == "uar" else (1, "", 2)
    low, high = (f"{times * figure[end]:.{digits}f}" for end in ("ci_low", "ci_high"))
    return f"{times * figure['pooled']:.{digits}f}{unit} [{low}, {high}]"
