"""The corpus card: who speaks, what is labelled, how long, how far the raters agree, what was left out, what is due."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..corpora.agreement import agreement
from ..corpora.manifest import DIMENSIONS
from ..runtime.errors import UserError
from . import widgets
from .widgets import Cell, number

ROLES = ("train", "val", "test")
SEXES = ("female", "male", "")
NONE = "(no class)"
SHOWN = 60
"""Speakers and quarantined files that are listed one by one."""


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
    """The files that ingest left out; none where the report was not told of them.

    Raises
    ------
    UserError
        The list is not there.
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


def html(card: Card) -> str:
    """The card as a section of the page."""
    count = sum(sum(sexes.values()) for sexes in card.classes.values())
    out = f"<h2>Corpus card</h2>{widgets.facts(_facts(card, count))}"
    figures = [_labels(card), _durations(card), *_ratings(card), _agreement(card)]
    out += f'<div class="grid">{"".join(figures)}</div>'
    names = list(card.classes)
    sexes = [sex for sex in SEXES if any(found[sex] for found in card.classes.values())]
    rows = []
    for name in names:
        found = card.classes[name]
        cells = [number(f"{sum(found.values()):,}"), *(number(f"{found[sex]:,}") for sex in sexes)]
        cells += [number(f"{card.minutes[name]:.1f}"), *(number(_range(*card.split[name][role])) for role in ROLES)]
        rows.append([name, *cells])
    header = ["Class", "utterances", *(sex or "unknown sex" for sex in sexes), "minutes"]
    out += "<h3>Per class</h3>" + widgets.table([*header, *(f"{role} per fold" for role in ROLES)], rows)
    rows = [
        [role, *(number(_range(*ends)) for ends in (utterances, speakers)), number(_range(*minutes, 1)),
         number(f"{mean:.2f}")]
        for role, utterances, speakers, minutes, mean in card.roles
    ]  # fmt: skip
    if card.votes:
        chosen = list(next(iter(card.votes.values())))
        votes = [[name, *(number(f"{100 * means[c]:.0f}") for c in chosen)] for name, means in card.votes.items()]
        out += "<h3>Soft labels: % of the raters' votes, by label</h3>" + widgets.table(["Label", *chosen], votes)
    header = ["Split", "utterances per fold", "speakers", "minutes", "mean seconds"]
    out += "<h3>Per split</h3>" + widgets.table(header, rows)
    rows = [
        [str(fold), *(number(f"{n:,}") for n in sizes), *(number(f"{n:,}") for n in counts), Cell(_some(who), "wide")]
        for fold, *sizes, who, counts in card.folds
    ]
    header = ["Fold", *ROLES, *(f"tested {name}" for name in names), "speakers tested"]
    out += f"<details><summary>Per fold</summary>{widgets.table(header, rows)}</details>"
    listed = sorted(card.speakers, key=lambda row: (-row[2], row[0]))[:SHOWN]
    rows = [
        [name, sex or "–", number(f"{n:,}"), number(f"{minutes:.1f}"), *(number(f"{c:,}") for c in counts)]
        for name, sex, n, minutes, counts in sorted(listed)
    ]
    if rows:
        more = f"; the {SHOWN} with most of {len(card.speakers):,}" if len(card.speakers) > SHOWN else ""
        body = widgets.table(["Speaker", "sex", "utterances", "minutes", *names], rows)
        out += f"<details><summary>Per speaker{more}</summary>{body}</details>"
    if card.rates:
        header = ["Transcripts", "utterances", "words", "errors", "WER %"]
        body = widgets.table(header, [_rate(row) for row in card.rates])
        out += f"<details><summary>Word error rates</summary>{body}</details>"
    if card.quarantine:
        rows = [
            [row["utterance"] or "–", row["file"], Cell(widgets.text(row["reason"]), "wide")] for row in card.quarantine
        ]
        body = widgets.table(["Utterance", "file", "why"], rows[:SHOWN])
        more = f", of which {SHOWN} are listed" if len(rows) > SHOWN else ""
        out += f"<details><summary>Left out by ingest: {len(rows):,}{more}</summary>{body}</details>"
    return out


def _facts(card: Card, count: int) -> list[tuple[str, str]]:
    sexes = Counter(sex for _, sex, *_ in card.speakers)
    who = ", ".join(f"{n:,} {sex or 'of unknown sex'}" for sex, n in sorted(sexes.items(), reverse=True))
    seconds = sorted(card.durations)
    unknown = count - sum(row[2] for row in card.speakers)
    found = [
        ("Utterances in use", f"{count:,}, {sum(seconds) / 3600:.2f} h"),
        ("Speakers", f"{len(card.speakers):,} ({who})" if who else "unknown"),
        *([("Of unknown speaker", f"{unknown:,} utterances, which cannot be proven apart")] if unknown and who else []),
        ("Duration", f"{seconds[0]:.2f} to {seconds[-1]:.2f} s, median {seconds[len(seconds) // 2]:.2f} s"),
    ]
    if card.agreement:
        full = sum(share > 0.9999 for share in card.agreement) / len(card.agreement)
        mean = sum(card.agreement) / len(card.agreement)
        said = (
            f"the label that most chose has {100 * mean:.0f} % of the votes on average; on {100 * full:.0f} % all agree"
        )
        found.append(("Rater agreement", said))
    if card.raters:
        low, high = min(card.raters), max(card.raters)
        found.append(("Raters per utterance", _range(low, high)))
    reasons = Counter(row["reason"] for row in card.quarantine)
    left = "; ".join(f"{n:,} {reason}" for reason, n in reasons.most_common(5))
    found.append(("Left out by ingest", f"{len(card.quarantine):,}: {left}" if left else "nothing"))
    found.append(("Licence", card.licence or "not stated; it is the owner's to say"))
    return found


def _rate(row: dict) -> list:
    """A line of the table of error rates."""
    part = f"{row['group']} {row['value']}".strip() + (f" ({row['normaliser']} words)" if row["group"] == "all" else "")
    wer = "–" if row["wer"] is None else f"{100 * row['wer']:.1f}"
    return [part, *(number(f"{row[name]:,}") for name in ("utterances", "words", "errors")), number(wer)]


def _labels(card: Card) -> str:
    rows = [(name, [sexes[sex] for sex in SEXES]) for name, sexes in card.classes.items()]
    return widgets.stacked("Labels", rows, ["female", "male", "unknown sex"])


def _durations(card: Card) -> str:
    return widgets.histogram("Durations", card.durations, "s")


def _ratings(card: Card) -> list[str]:
    return [widgets.histogram(f"Ratings: {name}", values, "") for name, values in card.ratings.items()]


def _agreement(card: Card) -> str:
    if not card.agreement:
        return ""
    return widgets.histogram("Rater agreement", [100 * share for share in card.agreement], "% of the votes")


def _range(low: float, high: float, decimals: int = 0) -> str:
    same = f"{low:,.{decimals}f}" == f"{high:,.{decimals}f}"
    return f"{low:,.{decimals}f}" if same else f"{low:,.{decimals}f} to {high:,.{decimals}f}"


def _some(names: list[str], limit: int = 12) -> str:
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return widgets.text(", ".join(names[:limit]) + more)
