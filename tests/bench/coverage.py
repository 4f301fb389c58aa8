"""How often the 95 % interval holds the truth, with 5, 10, 24 and 100 test speakers who differ.

    python -m tests.bench.coverage [--trials 4000] [--write data/coverage.csv]

Simulated test sets of known truth: every speaker has 12 to 48 utterances, mixes the classes in its own way and is
understood in its own way (skill and leaning per speaker: for UAR in the logits of four classes, for CCC in offset and
slope). The truth is the metric over 60,000 such speakers. Beside our interval stand three others: plain percentiles of
the same draws, Student's t over the bootstrap's standard error, and over that of the jackknife. The last column is how
often a paired comparison of two systems that are equally good, each with speakers of its own liking, has p below .05.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from stages.metrics import intervals, scores
from stages.runtime import disk

SPEAKERS = (5, 10, 24, 100)
CLASSES = 4
SCORE = {"uar": lambda sums: scores.of_confusion("uar", sums), "ccc": scores.ccc_of}
COLUMNS = ("metric", "speakers", "interval", "coverage", "width", "false_positives")


def confusions(rng, speakers: int, systems: int) -> list[np.ndarray]:
    """Per-speaker confusion counts [1, speakers, classes, classes] of systems that are equally good."""
    truth = [
        rng.multinomial(n, p)
        for n, p in zip(rng.integers(12, 49, speakers), rng.dirichlet(np.full(CLASSES, 8.0), speakers), strict=True)
    ]
    skill, leaning = rng.normal(1.0, 0.6, speakers), rng.normal(0, 0.7, (speakers, CLASSES))
    found = []
    for _ in range(systems):
        own = skill + rng.normal(0, 0.35, speakers) * (systems > 1)
        lean = leaning + rng.normal(0, 0.4, (speakers, CLASSES)) * (systems > 1)
        odds = np.exp(own[:, None, None] * np.eye(CLASSES) + lean[:, None])
        shares = odds / odds.sum(-1, keepdims=True)
        found.append(rng.multinomial(np.array(truth), shares)[None].astype(float))
    return found


def moments(rng, speakers: int, systems: int) -> list[np.ndarray]:
    """Per-speaker sums [1, speakers, 6] of :func:`scores.moments` of systems that are equally good."""
    counts = rng.integers(12, 49, speakers)
    who = np.repeat(np.arange(speakers), counts)
    true = rng.normal(0, 0.4, speakers)[who] + rng.normal(0, 1, len(who))
    offset, slope = rng.normal(0, 0.35, speakers), rng.normal(0.6, 0.2, speakers)
    found = []
    for _ in range(systems):
        a = offset + rng.normal(0, 0.2, speakers) * (systems > 1)
        b = slope + rng.normal(0, 0.1, speakers) * (systems > 1)
        sums = np.zeros((1, speakers, 6))
        np.add.at(sums[0], who, scores.moments(true, a[who] + b[who] * true + rng.normal(0, 0.6, len(who))))
        found.append(sums)
    return found


SIMULATE = {"uar": confusions, "ccc": moments}


def all_intervals(sums: intervals.Sums, draws: np.ndarray) -> dict[str, tuple[float, float]]:
    """{name: (low, high)} of one test set, at 95 %."""
    speakers = sums.values.shape[1]
    values = intervals.resampled(sums, draws)
    whole = sums.values.sum(1, keepdims=True)
    estimate, left_out = float(sums.score(whole[:, 0])[0]), sums.score(whole - sums.values)[0]
    jackknife = np.sqrt((speakers - 1) / speakers * ((left_out - left_out.mean()) ** 2).sum())
    t = stdtrit(speakers - 1, 0.975)
    low, high = np.percentile(values, [2.5, 97.5])
    found = {"percentiles": (low, high), intervals.NAME: intervals.interval(values, 0.95, speakers)}
    for name, error in (("t, bootstrap", intervals.error(values, speakers)), ("t, jackknife", jackknife)):
        found[name] = (estimate - t * error, estimate + t * error)
    return found


def measure(metric: str, speakers: int, trials: int, draws: int = 2000) -> list[dict]:
    """A row per interval: its coverage and mean width over ``trials``; for ours the paired test's false positives."""
    score, simulate = SCORE[metric], SIMULATE[metric]
    truth = float(score(simulate(np.random.default_rng(99), 60_000, 1)[0].sum(1))[0])
    counts, rng = intervals.speaker_draws(speakers, draws, 0), np.random.default_rng([speakers, 7])
    held: dict[str, list] = {}
    for _ in range(trials):
        (values,) = simulate(rng, speakers, 1)
        for name, (low, high) in all_intervals(intervals.Sums(values, score), counts).items():
            held.setdefault(name, []).append((low <= truth <= high, high - low))
    rejected = 0
    for _ in range(trials):
        both = [intervals.Sums(values, score) for values in simulate(rng, speakers, 2)]
        pooled = [float(sums.score(sums.values.sum(1))[0]) for sums in both]
        drawn = [intervals.resampled(sums, counts) for sums in both]
        rejected += intervals.p_value(pooled[0] - pooled[1], drawn[0] - drawn[1], speakers) < 0.05
    rows = []
    for name, found in held.items():
        coverage, width = np.mean(found, 0)
        wrong = f"{rejected / trials:.3f}" if name == intervals.NAME else ""
        figures = {"coverage": f"{coverage:.3f}", "width": f"{width:.3f}", "false_positives": wrong}
        rows.append({"metric": metric, "speakers": speakers, "interval": name, **figures})
    return rows


def main(trials: int, out: Path | None) -> None:
    rows = []
    for metric in SIMULATE:
        for speakers in SPEAKERS:
            for row in measure(metric, speakers, trials):
                print("  ".join(str(row[name]).ljust(20 if name == "interval" else 6) for name in COLUMNS), flush=True)
                rows.append(row)
    if out:
        with disk.writing(out) as temporary, open(temporary, "w", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--write", type=Path, metavar="CSV", help="keep the table, for the report")
    given = parser.parse_args()
    main(given.trials, given.write)
