"""Test a trained system under noise, with other transcripts or on another corpus, without retraining.

Reads the settings of the trial (``robustness.NAME``), the study's manifest and protocol, the system's predictions as
``evaluate`` wrote them, its models and the audio of the trial; for another corpus also its manifest and protocol; the
settings ``features``, ``evaluate`` and the system's encoders. Writes the predictions (a CSV file in the format of
``evaluate``) and their figures with intervals, next to the study's own figures (JSON). The audio is processed as in
``stages.prediction``; labels are added after all predictions.

Noise and transcripts: a test utterance is predicted by the models of the fold that tests it, one row per seed. The
study's own figure and this one are therefore computed from the same utterances, and their difference is paired. Another
corpus: the models of all folds predict together, one row per seed, with ``fold`` 0.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .config import settings
from .runtime import disk, process
from .runtime.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from .conditions.config import Trial
    from .encoders.specs import Features
    from .prediction.trained_system import Trained

ALL = 0
"""The value of ``fold`` where all folds predict together."""


def arguments(parser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--name", required=True, help="the trial, an entry of robustness:")
    parser.add_argument("--system", required=True)
    parser.add_argument("--manifest", type=Path, required=True, help="of the study's corpus")
    parser.add_argument("--protocol", type=Path, required=True, help="the study's")
    parser.add_argument("--predictions", type=Path, required=True, help="the system's, as evaluate wrote them")
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="models of every part")
    parser.add_argument("--speech-weights", type=Path, help="the built-in speech encoder")
    parser.add_argument("--text-weights", type=Path, help="the built-in text encoder")
    parser.add_argument("--audio", type=Path, required=True, help="of the corpus that is tested on")
    parser.add_argument("--transcripts", type=Path, help="of the corpus that is tested on, if the system reads text")
    parser.add_argument("--other-manifest", type=Path, help="of another corpus that is tested on")
    parser.add_argument("--other-protocol", type=Path, help="of another corpus that is tested on")
    parser.add_argument("--one-scheme", action="store_true", help="equal names are the same speaker in both corpora")
    parser.add_argument("--encoders", nargs="*", default=[], help="its encoders with published weights, by name")
    parser.add_argument("--ledger", type=Path, help="folder that counts the scorings of the test part")
    parser.add_argument("--out-csv", type=Path, required=True, help="output: predictions")
    parser.add_argument("--out-json", type=Path, required=True, help="output: the figures")


@dataclass(frozen=True)
class Job:
    """A system and the trial that it is tested with."""

    study: str
    system: str
    name: str
    """The trial, an entry of ``robustness:``."""
    trial: "Trial"
    trained: "Trained"
    features: "Features"
    """The section ``features`` of the settings."""
    audio: Path
    """The audio store of the corpus that is tested on."""
    texts: dict[str, str]
    """{utterance: text} of that corpus; empty where the system does not read text."""


@dataclass(frozen=True)
class Tried:
    """The result of a trial."""

    frame: "pd.DataFrame"
    """The predictions, in the format of ``evaluate``."""
    clean: "pd.DataFrame"
    """The study's own predictions that they are compared with."""
    manifest: "pd.DataFrame"
    """The manifest of the corpus that was tested on."""
    about: dict
    """What the report says of this trial."""


def main(args) -> None:
    from .conditions import config, other_words
    from .encoders.specs import Features
    from .metrics.summary import Evaluate

    section = settings.load(Features, "features", args.params)
    options = settings.load(Evaluate, "evaluate", args.params)
    trial = config.load(args.name, args.params)
    process.use_threads(section.threads)  # before torch is imported
    from .guards import ledger
    from .metrics.predictions import read_predictions, rounded
    from .prediction.trained_system import assembled
    from .protocols.table import load_split

    weights = {kind: path for kind in ("speech", "text") if (path := getattr(args, f"{kind}_weights"))}
    trained = assembled(args.params, args.study, args.system, args.models, weights)
    job = Job(
        study=args.study,
        system=args.system,
        name=args.name,
        trial=trial,
        trained=trained.on_given_words() if trial.kind == "transcripts" else trained,
        features=section,
        audio=args.audio,
        texts=_texts(args.transcripts),
    )
    study_split = load_split(args.manifest, args.protocol)
    clean = read_predictions(args.predictions).query("role == 'test'")
    if trial.kind != "corpus":
        tried = over_own(
            job, *study_split, clean, f"{args.predictions}: not made by the models of {args.models[0].parent}"
        )
    else:
        other = load_split(args.other_manifest, args.other_protocol)
        sources = {name: settings.read(args.params, f"encoders.{name}.source") for name in args.encoders}
        tried = elsewhere(job, study_split, clean, other, one_scheme=args.one_scheme, sources=sources)
    with disk.writing(args.out_csv) as temporary:
        tried.frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
        digest = disk.sha256(temporary)
        figures = scored(read_predictions(temporary), tried.manifest, tried.clean, study_split[0], options)
    results = {"study": args.study, "system": args.system, "trial": args.name, "kind": trial.kind, "words": trial.words}
    if trial.kind == "transcripts":
        results["wer"] = other_words.error_rate(args.transcripts, sorted(set(tried.frame["utterance"])))
    results |= {"options": options.model_dump(), **tried.about, "predictions_sha256": digest, **figures}
    with disk.writing(args.out_json) as temporary:
        text = json.dumps(rounded(results), indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    if args.ledger:
        ledger.enter(args.ledger, args.study, f"{args.system}@{args.name}", digest)


def over_own(job: Job, manifest, protocol, clean, others: str) -> Tried:
    """Predictions of the study's test rows under noise, or with other transcripts.

    Raises
    ------
    UserError
        The rows ``clean`` are not by the models of the job; the message begins with ``others``.
    """
    import pandas as pd

    from .conditions import noise
    from .guards.predictions import check_predictions
    from .prediction import stored_audio
    from .prediction.predictor import Predictor
    from .stores.audio import AudioStore

    row, trial = job.trained.row, job.trial
    store, predictor = AudioStore(job.audio), Predictor(job.trained, job.features)
    speakers = manifest.set_index("utterance")["speaker"]
    clipped: dict[str, int] = {}

    def read(name: str) -> np.ndarray:
        samples = store.raw(name)
        if trial.kind != "noise":
            return samples
        babble = speakers.index[(speakers != speakers[name]) & (speakers != "")] if trial.colour == "babble" else []
        drawn = noise.drawn(trial, name, len(samples), list(babble), store.raw)
        mixed, clipped[name] = noise.added(samples, drawn, trial.snr_db)
        return mixed

    groups = speakers
    if getattr(row, "speaker_by", "") == "prefix":
        groups = pd.Series([name.partition("_")[0] for name in speakers.index], speakers.index)
    tables = []
    for fold, rows in clean.groupby("fold"):
        units = [(int(fold), int(seed)) for seed in sorted(set(rows["seed"]))]
        if not set(units) <= set(job.trained.models):
            raise UserError(f"{others}; run the study again")
        names = sorted(set(rows["utterance"]))
        values = stored_audio.outputs(predictor, names, groups, job.texts, read, units)
        place = {name: i for i, name in enumerate(names)}
        for i, (_, seed) in enumerate(units):
            of_seed = rows[rows["seed"] == seed]
            tables.append(stored_audio.filled(of_seed, values[of_seed["utterance"].map(place), i], predictor))
    frame = _sorted(tables)
    check_predictions(frame, manifest, protocol, f"{job.name} of {job.system}")
    return Tried(frame, clean, manifest, _about(row, trial, sum(clipped.values())))


def _about(row, trial, clipped: int) -> dict:
    """What the report says of a trial over the study's own test rows."""
    if trial.kind == "transcripts":
        return {"transcripts": trial.transcripts, "notes": []}
    notes = ["the words are those of the clean recordings"] if row.needs_text else []
    if getattr(row, "normalise", "") == "speaker":
        notes.append("each speaker normalised by all of that speaker's recordings, all of them noisy")
    level = trial.snr_db if math.isfinite(trial.snr_db) else None
    return {"colour": trial.colour, "snr_db": level, "clipped_samples": clipped, "notes": notes}


def elsewhere(job: Job, own: tuple, clean, other: tuple, *, one_scheme: bool, sources: dict[str, str]) -> Tried:
    """Predictions of another corpus' test part by all folds together.

    The study's own rows are reduced to the classes that the other corpus has too.

    Parameters
    ----------
    own, other
        Manifest and protocol of the study, and of the other corpus.
    one_scheme
        Whether equal names are the same speaker in both corpora.
    sources
        {name: source} of the system's encoders with published weights.

    Raises
    ------
    UserError
        The two corpora share a recording or a speaker, an encoder has seen the other corpus, or the system needs
        speakers that it does not name.
    """
    from .conditions import other_corpus
    from .guards import contamination

    trial, trained, where = job.trial, job.trained, f"robustness.{job.name}"
    row, labels = trained.row, trained.labels
    manifest, protocol = other
    rows = other_corpus.tested(manifest, protocol, trial.part, where)
    other_corpus.refuse_shared(*own, rows, one_scheme, where)
    due, left_out = other_corpus.truth(rows, row.task, labels, trial.ratings, where)
    if getattr(row, "normalise", "") == "speaker" and (rows["speaker"] == "").any():
        raise UserError(
            f"{where}: {job.system} normalises by speaker, and {trial.corpus} does not name all speakers; list"
            f" the systems to test in studies.{job.study}.trials.{job.name}, without this one"
        )
    seen = contamination.pretrained_encoders(list(trained.weights.values()), due.assign(role="test"), manifest)
    seen += contamination.published_encoders(sources, trial.corpus)
    from .prediction import stored_audio
    from .prediction.predictor import Predictor
    from .stores.audio import AudioStore

    predictor = Predictor(trained, job.features)
    units, names = list(trained.models), due["utterance"].tolist()
    speakers, store = manifest.set_index("utterance")["speaker"], AudioStore(job.audio)
    values = stored_audio.outputs(predictor, names, speakers, job.texts, store.raw, units).swapaxes(0, 1)
    tables = []
    for seed in sorted({seed for _, seed in units}):
        mean = predictor.mean(values[[i for i, unit in enumerate(units) if unit[1] == seed]])
        mean = np.log(np.maximum(mean, 1e-300)) if row.task == "emotion" else mean
        tables.append(stored_audio.filled(due.assign(fold=ALL, seed=seed, role="test"), mean, predictor))
    absent, notes = [], []
    if row.task == "emotion":
        absent = sorted(set(labels) - set(due["true_emotion"]))
        clean = clean[~clean["true_emotion"].isin(absent)]
    if absent:
        notes.append(f"it lacks {', '.join(absent)}: both UAR are over the classes that it has")
    if left_out:
        counts = ", ".join(f"{count:,} of label '{label}'" for label, count in left_out.items())
        notes.append(f"excluded, since the study has no such class: {counts}")
    about = {"corpus": trial.corpus, "left_out": left_out, "absent": absent, "seen": seen, "notes": notes}
    return Tried(_sorted(tables), clean, manifest, about)


def scored(frame, manifest, clean, own_manifest, options) -> dict:
    """The metrics of a trial and of the ``clean`` rows, in the format of ``evaluate``, and their ``difference``: clean
    minus trial, if both were tested on the same rows.
    """
    from .metrics import summary

    metrics, _ = summary.summarise(frame, manifest, options)
    clean_metrics, _ = summary.summarise(clean, own_manifest, options)
    differences = {}
    for metric in metrics:
        before, after = (
            summary.drawn(clean, own_manifest, metric, options),
            summary.drawn(frame, manifest, metric, options),
        )
        if before and after and before.tested == after.tested:
            differences[metric] = summary.difference(before, after, metric, options.confidence)
    return {
        "metrics": metrics,
        "clean": {metric: clean_metrics[metric] for metric in metrics},
        "difference": differences,
    }


def _texts(transcripts: Path | None) -> dict[str, str]:
    from .transcripts.table import read_transcripts

    return dict(read_transcripts(transcripts)[["utterance", "text"]].to_numpy()) if transcripts else {}


def _sorted(tables: list):
    import pandas as pd

    return pd.concat(tables, ignore_index=True).sort_values(["fold", "seed", "utterance"], kind="stable")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
