"""The corpus card as it is shown: facts, figures and tables of :mod:`stages.pages.corpus_card`."""

from collections import Counter

from . import cells, figures
from .cells import Cell, Table, number, wide
from .corpus_card import ROLES, SEXES, Card

SHOWN = 60
"""How many speakers and excluded files are listed."""
TESTED = 12
"""How many speakers of a fold are named."""


def section(card: Card) -> dict:
    """Facts, histograms, and tables per class, split, fold and speaker, of soft labels and of excluded files."""
    return {
        "facts": _facts(card),
        "labels": figures.stacked(
            "Labels",
            [(name, [sexes[sex] for sex in SEXES]) for name, sexes in card.classes.items()],
            ["female", "male", "unknown sex"],
        ),
        "histograms": [
            figures.histogram("Durations", card.durations, "s"),
            *(figures.histogram(f"Ratings: {name}", values, "") for name, values in card.ratings.items()),
            *_agreement(card),
        ],
        "classes": _classes(card),
        "votes": _votes(card) if card.votes else None,
        "splits": _splits(card),
        "folds": _folds(card),
        "speakers": _speakers(card) if card.speakers else None,
        "all_speakers": f"{len(card.speakers):,}" if len(card.speakers) > SHOWN else "",
        "rates": _rates(card) if card.rates else None,
        "excluded": _excluded(card) if card.quarantine else None,
        "all_excluded": f"{len(card.quarantine):,}",
        "more_excluded": len(card.quarantine) > SHOWN,
        "limit": SHOWN,
    }


def _agreement(card: Card) -> list[figures.Histogram]:
    shares = [100 * share for share in card.agreement]
    return [figures.histogram("Rater agreement", shares, "% of the votes")] if shares else []


def _classes(card: Card) -> Table:
    sexes = [sex for sex in SEXES if any(found[sex] for found in card.classes.values())]
    rows = []
    for name, found in card.classes.items():
        counts = [sum(found.values()), *(found[sex] for sex in sexes)]
        split = [number(_range(*card.split[name][role])) for role in ROLES]
        rows.append([name, *map(_count, counts), number(f"{card.minutes[name]:.1f}"), *split])
    header = ["Class", "utterances", *(sex or "unknown sex" for sex in sexes), "minutes"]
    return cells.table([*header, *(f"{role} per fold" for role in ROLES)], rows)


def _votes(card: Card) -> Table:
    chosen = list(next(iter(card.votes.values())))
    rows = [[name, *(number(f"{100 * means[c]:.0f}") for c in chosen)] for name, means in card.votes.items()]
    return cells.table(["Label", *chosen], rows)


def _splits(card: Card) -> Table:
    rows = [
        [
            role,
            number(_range(*utterances)),
            number(_range(*speakers)),
            number(_range(*minutes, 1)),
            number(f"{mean:.2f}"),
        ]
        for role, utterances, speakers, minutes, mean in card.roles
    ]
    return cells.table(["Split", "utterances per fold", "speakers", "minutes", "mean seconds"], rows)


def _folds(card: Card) -> Table:
    rows = [
        [str(fold), *map(_count, sizes), *map(_count, counts), wide(_some(who))]
        for fold, *sizes, who, counts in card.folds
    ]
    return cells.table(["Fold", *ROLES, *(f"tested {name}" for name in card.classes), "speakers tested"], rows)


def _speakers(card: Card) -> Table:
    listed = sorted(card.speakers, key=lambda row: (-row[2], row[0]))[:SHOWN]
    rows = [
        [name, sex or "–", _count(utterances), number(f"{minutes:.1f}"), *map(_count, counts)]
        for name, sex, utterances, minutes, counts in sorted(listed)
    ]
    return cells.table(["Speaker", "sex", "utterances", "minutes", *card.classes], rows)


def _rates(card: Card) -> Table:
    rows = []
    for row in card.rates:
        part = f"{row['source']}: {row['group']} {row['value']}".strip()
        words = f" ({row['normaliser']} words)" if row["group"] == "all" else ""
        wer = "–" if row["wer"] is None else f"{100 * row['wer']:.1f}"
        counts = (number(f"{row[name]:,}") for name in ("utterances", "words", "errors"))
        rows.append([part + words, *counts, number(wer)])
    return cells.table(["Transcripts", "utterances", "words", "errors", "WER %"], rows)


def _excluded(card: Card) -> Table:
    rows = [[row["utterance"] or "–", row["file"], wide(row["reason"])] for row in card.quarantine]
    return cells.table(["Utterance", "file", "why"], rows[:SHOWN])


def _facts(card: Card) -> list[tuple[str, str]]:
    count = sum(sum(sexes.values()) for sexes in card.classes.values())
    sexes = Counter(sex for _, sex, *_ in card.speakers)
    who = ", ".join(f"{n:,} {sex or 'of unknown sex'}" for sex, n in sorted(sexes.items(), reverse=True))
    seconds = sorted(card.durations)
    unknown = count - sum(row[2] for row in card.speakers)
    found = [
        ("Utterances in use", f"{count:,}, {sum(seconds) / 3600:.2f} h"),
        ("Speakers", f"{len(card.speakers):,} ({who})" if who else "unknown"),
        *(
            [("Speaker unknown", f"{unknown:,} utterances, whose speakers may be in several parts")]
            if unknown and who
            else []
        ),
        ("Duration", f"{seconds[0]:.2f} to {seconds[-1]:.2f} s, median {seconds[len(seconds) // 2]:.2f} s"),
    ]
    if card.agreement:
        full = sum(share > 0.9999 for share in card.agreement) / len(card.agreement)
        mean = sum(card.agreement) / len(card.agreement)
        words = f"the most frequent label has {100 * mean:.0f} % of the votes on average"
        found.append(("Rater agreement", f"{words}; all raters agree on {100 * full:.0f} % of the utterances"))
    if card.raters:
        low, high = min(card.raters), max(card.raters)
        found.append(("Raters per utterance", _range(low, high)))
    reasons = Counter(row["reason"] for row in card.quarantine)
    excluded = "; ".join(f"{n:,} {reason}" for reason, n in reasons.most_common(5))
    found.append(("Excluded by ingest", f"{len(card.quarantine):,}: {excluded}" if excluded else "nothing"))
    found.append(("Licence", card.licence or "not stated; ask the owner of the corpus"))
    return found


def _count(value: int) -> Cell:
    return number(f"{value:,}")


def _range(low: float, high: float, decimals: int = 0) -> str:
    same = f"{low:,.{decimals}f}" == f"{high:,.{decimals}f}"
    return f"{low:,.{decimals}f}" if same else f"{low:,.{decimals}f} to {high:,.{decimals}f}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - TESTED:,} more" if len(names) > TESTED else ""
    return ", ".join(names[:TESTED]) + more
