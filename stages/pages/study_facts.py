"""The corpus, protocol and encoders of a study, and the provenance of its figures."""

import hashlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "numpy",
    "pandas",
    "scikit-learn",
    "torch",
    "transformers",
    "faiss-cpu",
    "faiss-gpu",
    "openai-whisper",
    "snakemake",
    "dvc",
)


def of_study(study: dict, definition, manifest, protocol, entries) -> list[tuple[str, str]]:
    """Corpus, protocol with its rules and expected counts, encoders, transcripts and seeds, in words."""
    from ..protocols.splits import parts

    speakers = manifest.loc[manifest["speaker"] != "", "speaker"].nunique()
    hours = manifest["duration"].sum() / 3600
    size = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
    folds = protocol["fold"].nunique()
    test = protocol[protocol["role"] == "test"]
    found = [
        ("Corpus", f"{study['corpus']}: {len(manifest):,} utterances, {speakers} speakers, {size}"),
        ("Protocol", f"{study['protocol']}, version {definition.version}: {definition.about or 'no description'}"),
        ("Folds", f"{folds}; {_roles(protocol)}"),
        *_rules(study, definition, manifest, protocol),
    ]
    if named := parts(protocol):
        sizes = ", ".join(f"{part} {(test['part'] == part).sum():,}" for part in named)
        found.append(("Test parts", f"{sizes} utterances"))
    classes = test.loc[test["emotion"] != "", "emotion"].value_counts().sort_index()
    if len(classes):
        found.append(("Classes in the test parts", ", ".join(f"{name} {n:,}" for name, n in classes.items())))
    for role, group in protocol[protocol["role"] == "out"].groupby("reason"):
        found.append(("Excluded", f"{group['utterance'].nunique():,} utterances: {role}"))
    note = " (substitutes for the encoders of the papers)" if study["substitute"] else ""
    names = " and ".join(filter(None, (study["speech"], study["text"])))
    found.append(("Encoders", f"{names}{note}" if study["substitute"] else _encoders(entries) or names))
    if texts := list(dict.fromkeys(filter(None, (entry.transcripts for entry in entries)))):
        found.append(("Transcripts", ", ".join(texts)))
    found.append(("Seeds", ", ".join(str(seed) for seed in study["seeds"])))
    return found


def _rules(study: dict, definition, manifest, protocol) -> list[tuple[str, str]]:
    """Label policy, selection, expected counts, declared leaks, and how many test sentences occur in training."""
    from ..protocols.assignment import departures, rule
    from ..protocols.script_overlap import LONG, script_overlap
    from ..protocols.splits import watermark

    labels, *more = rule(definition)
    found = [("Labels", labels)]
    if more:
        found.append(("Selection", "; ".join(more)))
    if definition.expect:
        missed = departures(definition, protocol, manifest, f"protocols.{study['protocol']}")
        met = len(definition.expect) - len(missed)
        found.append(("Expected counts", f"{met} of {len(definition.expect)} met"))
        for row in missed:
            found.append(
                ("Departure", f"{row['what']}: {row['found']:,} instead of {row['expected']:,}: {row['reason']}")
            )
    if mark := watermark(protocol):
        found.append(("Watermark", mark))
    overlap = script_overlap(manifest, protocol)
    if overlap["tested"]:
        share = f"{100 * overlap['shared'] / overlap['tested']:.0f} % of {overlap['tested']:,} test utterances"
        if overlap["long"]:
            share += f"; of those with {LONG} words or more {100 * overlap['long_shared'] / overlap['long']:.0f} %"
        found.append(("Test sentences that also occur in training", share))
    return found


def _roles(protocol) -> str:
    counts = protocol.groupby(["fold", "role"]).size().unstack(fill_value=0)
    parts = []
    for role in ("train", "val", "test"):
        low, high = int(counts[role].min()), int(counts[role].max())
        parts.append(f"{role} {low:,}" if low == high else f"{role} {low:,} to {high:,}")
    return ", ".join(parts) + " utterances per fold"


def _encoders(entries) -> str:
    return ", ".join(dict.fromkeys(name for entry in entries for name in entry.encoders.values()))


def provenance(
    study: dict, entries, manifest: Path, protocol: Path, predictions: dict[str, Path]
) -> list[tuple[str, str]]:
    """Commit, digests of parameters and inputs, versions, time."""
    from ..runtime import disk

    rows = {entry.name: entry.row.model_dump() for entry in entries}
    text = json.dumps({"study": study, "systems": rows}, sort_keys=True, default=str)
    found = [
        ("Commit", _commit()),
        ("Parameters (SHA-256 of the study and its systems)", hashlib.sha256(text.encode()).hexdigest()[:16]),
        ("Manifest (SHA-256)", disk.sha256(manifest)[:16]),
        ("Protocol (SHA-256)", disk.sha256(protocol)[:16]),
    ]
    for name, path in predictions.items():
        found.append((f"Predictions of {name} (SHA-256)", disk.sha256(path)[:16]))
    found.append(("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"))
    found.append(("Packages", ", ".join(f"{name} {version}" for name, version in _versions())))
    found.append(("Made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")))
    return found


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            if not name.startswith("faiss"):  # one of the two is
                found.append((name, "not installed"))
    return found


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"
