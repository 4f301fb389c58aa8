"""The corpus card: who speaks, what is labelled, how long, how far the raters agree, what was excluded, the licence."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..corpora.agreement import agreement
from ..corpora.manifest import DIMENSIONS
from ..runtime.errors import UserError

ROLES = ("train", "val", "test")
SEXES = ("female", "male", "")
NONE = "(no class)"


@dataclass
class Card:
    """A corpus under a protocol, in numbers."""

    licence: str
    roles: list[list]
    """Per role: fewest and most utterances, speakers and minutes of a fold, and the mean duration."""
    folds: list[list]
    """Per fold: number, utterances by role, tested speakers, tested utterances by class."""
    classes: dict[str, dict[str, int]]
    """{class: {sex: utterances}}, of all utterances in use."""
    split: dict[str, dict[str, tuple[int, int]]]
    """{class: {role: fewest and most of a fold}}."""
    minutes: dict[str, float]
    speakers: list[list]
    """Per speaker: name, sex, utterances, minutes, utterances by class."""
    durations: list[float]
    ratings: dict[str, list[float]]
    """{dimension: ratings}."""
    votes: dict[str, dict[str, float]]
    """{class: {class that raters chose: mean share of the votes}}: the soft labels."""
    agreement: list[float]
    raters: list[float]
    quarantine: list[dict]
    rates: list[dict]
    """Word error rates of the transcripts that systems read, see :mod:`stages.transcripts.rates`."""


def read_quarantine(path: Path | None) -> list[dict]:
    """The files that ingest excluded; none where ``path`` is None.

    Raises
    ------
    UserError
        There is no such file.
    """
    if path is None:
        return []
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the stage that makes it (ingest)")
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def of_corpus(manifest, protocol, quarantine: list[dict], licence: str, rates: Sequence[dict] = ()) -> Card:
    """The card of the utterances that the protocol uses in at least one fold."""
    import pandas as pd

    used = protocol[protocol["role"] != "out"]
    label = used.drop_duplicates("utterance").set_index("utterance")["emotion"]
    rows = manifest[manifest["utterance"].isin(label.index)].copy()
    rows["class"] = rows["utterance"].map(label).replace("", NONE)
    names = sorted(set(rows["class"]) - {NONE}) + ([NONE] if NONE in set(rows["class"]) else [])
    placed = used[["utterance", "fold", "role"]].merge(
        rows[["utterance", "speaker", "duration", "class"]], on="utterance"
    )
    by_role = []
    for role in ROLES:
        one = placed[placed["role"] == role].groupby("fold")
        figures = [one.size(), one["speaker"].nunique(), one["duration"].sum() / 60]
        mean = placed.loc[placed["role"] == role, "duration"].mean()
        by_role.append([role, *((float(f.min()), float(f.max())) for f in figures), float(mean)])
    folds = []
    for fold, one in placed.groupby("fold"):
        tested = one[one["role"] == "test"]
        counts = tested["class"].value_counts()
        sizes = [int((one["role"] == role).sum()) for role in ROLES]
        who = sorted(set(tested["speaker"]) - {""})
        folds.append([int(fold), *sizes, who, [int(counts.get(name, 0)) for name in names]])
    split: dict = {}
    for name in names:
        split[name] = {}
        for role in ROLES:
            each = placed[(placed["class"] == name) & (placed["role"] == role)].groupby("fold").size()
            each = each.reindex(sorted(placed["fold"].unique()), fill_value=0)
            split[name][role] = (int(each.min()), int(each.max()))
    speakers = []
    for name, one in rows[rows["speaker"] != ""].groupby("speaker"):
        counts = one["class"].value_counts()
        of_class = [int(counts.get(n, 0)) for n in names]
        speakers.append([name, "/".join(sorted(set(one["gender"]))), len(one), one["duration"].sum() / 60, of_class])
    shares = agreement(rows)
    raters = pd.to_numeric(rows["raters"], errors="coerce").dropna().tolist() if "raters" in rows else []
    return Card(
        licence=licence,
        roles=by_role,
        folds=folds,
        classes={n: {s: int(((rows["class"] == n) & (rows["gender"] == s)).sum()) for s in SEXES} for n in names},
        split=split,
        minutes={n: float(rows.loc[rows["class"] == n, "duration"].sum() / 60) for n in names},
        speakers=speakers,
        durations=rows["duration"].tolist(),
        ratings={n: found for n in DIMENSIONS if (found := rows[n].dropna().tolist())},
        votes=_votes(rows, names),
        agreement=shares.dropna().tolist() if shares is not None else [],
        raters=raters,
        quarantine=quarantine,
        rates=list(rates),
    )


def _votes(rows, names: list[str]) -> dict[str, dict[str, float]]:
    import pandas as pd

    columns = [name for name in rows if name.startswith("votes_")]
    given = rows[columns].apply(pd.to_numeric, errors="coerce")
    known = given.notna().all(axis=1) & bool(columns)
    found = {}
    for name in names:
        own = given[known & (rows["class"] == name)]
        if len(own):
            found[name] = {column.removeprefix("votes_"): float(share) for column, share in own.mean().items()}
    return found
