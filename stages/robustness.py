"""Try a trained system on what it was not made for: noise over its test utterances, or another corpus. Nothing is
retrained.

Reads the trial's entry (params ``robustness.NAME``), the study's manifest, protocol and the system's predictions as
``evaluate`` left them, its models, the audio that is tried, and of another corpus manifest and protocol; params
``features``, ``evaluate`` and the system's encoders. Writes the predictions (CSV, as ``evaluate`` has them) and their
figures with intervals beside the study's own (JSON). What is heard takes the way of ``predict``; labels join when all
is predicted.

Noise: a test utterance is predicted by the models of the fold that tests it, a row per seed. So the study's own figure
and this one are computed alike from the same utterances, and their difference is paired. Another corpus: by the models
of all folds together, a row per seed, under ``fold`` 0.
"""

import json
import math
from pathlib import Path

import numpy as np

from .config import settings
from .runtime import disk, process
from .runtime.errors import UserError

ALL = 0
"""The column ``fold`` where all folds predict together."""


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
    parser.add_argument("--audio", type=Path, required=True, help="of the corpus that is tried")
    parser.add_argument("--transcripts", type=Path, help="of the corpus that is tried, where the system reads words")
    parser.add_argument("--other-manifest", type=Path, help="of another corpus that is tried")
    parser.add_argument("--other-protocol", type=Path, help="of another corpus that is tried")
    parser.add_argument("--one-scheme", action="store_true", help="both corpora name their speakers by one scheme")
    parser.add_argument("--encoders", nargs="*", default=[], help="its encoders with published weights, by name")
    parser.add_argument("--ledger", type=Path, help="folder that counts the scorings of the test part that is tried")
    parser.add_argument("--out-csv", type=Path, required=True, help="output: predictions")
    parser.add_argument("--out-json", type=Path, required=True, help="output: the figures")


def main(args) -> None:
    from .conditions import config
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
    own = load_split(args.manifest, args.protocol)
    clean = read_predictions(args.predictions).query("role == 'test'")
    tried = over_noise if trial.kind == "noise" else elsewhere
    frame, clean, manifest, told = tried(args, trial, trained, section, own, clean)
    with disk.writing(args.out_csv) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
        told["predictions_sha256"] = disk.sha256(temporary)
        figures = scored(read_predictions(temporary), manifest, clean, own[0], options)
    found = {"study": args.study, "system": args.system, "trial": args.name, "kind": trial.kind, "words": trial.words}
    found |= {"options": options.model_dump(), **told, **figures}
    with disk.writing(args.out_json) as temporary:
        text = json.dumps(rounded(found), indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    if args.ledger:
        ledger.enter(args.ledger, args.study, f"{args.system}@{args.name}", told["predictions_sha256"])


def over_noise(args, trial, trained, section, own, clean):
    """Predictions of the study's test rows under noise, the rows they stand against, their manifest, what to tell."""
    import pandas as pd

    from .conditions import noise
    from .guards.predictions import check_predictions
    from .prediction import stored_audio
    from .prediction.predictor import Predictor
    from .stores.audio import AudioStore

    manifest, protocol = own
    row, store, predictor = trained.row, AudioStore(args.audio), Predictor(trained, section)
    speakers = manifest.set_index("utterance")["speaker"]
    clipped: dict[str, int] = {}

    def read(name: str) -> np.ndarray:
        samples = store.raw(name)
        others = speakers.index[(speakers != speakers[name]) & (speakers != "")] if trial.colour == "babble" else []
        drawn = noise.drawn(trial, name, len(samples), list(others), store.raw)
        mixed, clipped[name] = noise.added(samples, drawn, trial.snr_db)
        return mixed

    groups = speakers
    if getattr(row, "speaker_by", "") == "prefix":
        groups = pd.Series([name.partition("_")[0] for name in speakers.index], speakers.index)
    tables, texts = [], _texts(args)
    for fold, rows in clean.groupby("fold"):
        units = [(int(fold), int(seed)) for seed in sorted(set(rows["seed"]))]
        if not set(units) <= set(trained.models):
            raise UserError(f"{args.predictions}: not by the models of {args.models[0].parent}; run the study again")
        names = sorted(set(rows["utterance"]))
        values = stored_audio.outputs(predictor, names, groups, texts, read, units)
        place = {name: i for i, name in enumerate(names)}
        for i, (_, seed) in enumerate(units):
            one = rows[rows["seed"] == seed]
            tables.append(stored_audio.filled(one, values[one["utterance"].map(place), i], predictor))
    frame = _sorted(tables)
    check_predictions(frame, manifest, protocol, f"{args.name} of {args.system}")
    notes = ["the words are those of the clean recordings"] if row.needs_text else []
    if getattr(row, "normalise", "") == "speaker":
        notes.append("each speaker normalised by all of that speaker's recordings, all of them noisy")
    level = trial.snr_db if math.isfinite(trial.snr_db) else None
    told = {"colour": trial.colour, "snr_db": level, "clipped_samples": sum(clipped.values()), "notes": notes}
    return frame, clean, manifest, told


def elsewhere(args, trial, trained, section, own, clean):
    """Predictions of another corpus' test part by all folds together; the rest as :func:`over_noise`.

    The study's own rows are then those of the classes that the other corpus has too.
    """
    from .conditions import other_corpus
    from .guards import contamination
    from .protocols.table import load_split

    row, labels, where = trained.row, trained.labels, f"robustness.{args.name}"
    manifest, protocol = load_split(args.other_manifest, args.other_protocol)
    rows = other_corpus.tested(manifest, protocol)
    other_corpus.refuse_shared(*own, rows, args.one_scheme, where)
    due, left_out = other_corpus.truth(rows, row.task, labels, trial.ratings, where)
    if getattr(row, "normalise", "") == "speaker" and (rows["speaker"] == "").any():
        raise UserError(
            f"{where}: {args.system} normalises by speaker, and {trial.corpus} does not name them all; name the systems"
            f" to try in studies.{args.study}.trials.{args.name}, without this one"
        )
    seen = contamination.pretrained_encoders(list(trained.weights.values()), due.assign(role="test"), manifest)
    sources = {name: settings.read(args.params, f"encoders.{name}.source") for name in args.encoders}
    seen += contamination.published_encoders(sources, trial.corpus)
    from .prediction import stored_audio
    from .prediction.predictor import Predictor
    from .stores.audio import AudioStore

    predictor = Predictor(trained, section)
    units, names = list(trained.models), due["utterance"].tolist()
    speakers, store = manifest.set_index("utterance")["speaker"], AudioStore(args.audio)
    values = stored_audio.outputs(predictor, names, speakers, _texts(args), store.raw, units).swapaxes(0, 1)
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
        notes.append(f"left out, for the study has no such class: {counts}")
    told = {"corpus": trial.corpus, "left_out": left_out, "absent": absent, "seen": seen, "notes": notes}
    return _sorted(tables), clean, manifest, told


def scored(frame, manifest, clean, own_manifest, options) -> dict:
    """``metrics`` of a trial and of the ``clean`` rows as ``evaluate`` has them, and ``difference``: clean minus tried,
    where both are of the same rows.
    """
    from .metrics import summary

    metrics, _ = summary.summarise(frame, manifest, options)
    own, _ = summary.summarise(clean, own_manifest, options)
    lost = {}
    for metric in metrics:
        before, after = (
            summary.drawn(clean, own_manifest, metric, options),
            summary.drawn(frame, manifest, metric, options),
        )
        if before and after and before.tested == after.tested:
            lost[metric] = summary.difference(before, after, metric, options.confidence)
    return {"metrics": metrics, "clean": {metric: own[metric] for metric in metrics}, "difference": lost}


def _texts(args) -> dict[str, str]:
    from .transcripts.table import read_transcripts

    return dict(read_transcripts(args.transcripts)[["utterance", "text"]].to_numpy()) if args.transcripts else {}


def _sorted(tables: list):
    import pandas as pd

    return pd.concat(tables, ignore_index=True).sort_values(["fold", "seed", "utterance"], kind="stable")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
