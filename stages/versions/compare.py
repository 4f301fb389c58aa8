"""Compare two commits: paired differences of every metric on identical utterances, from their prediction files."""

import json
import subprocess
import tempfile
from pathlib import Path

from ..config import settings
from ..runtime.errors import UserError

EVALUATIONS = Path("data/evaluate")


def show(rev: str) -> None:
    """Print the table of differences between the work tree and commit ``rev``."""
    from rich.console import Console
    from rich.table import Table

    from ..pages.number_format import TITLES, shown

    rows, console = differences(rev), Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 132)
    if not rows:
        console.print(f"no system is both here and in {rev}")
        return
    table = Table(
        title=f"here minus {rev}, on the same test utterances", title_justify="left", box=None, pad_edge=False
    )
    for name in ("study", "system", "metric"):
        table.add_column(name)
    for name in ("then", "now", "difference (speakers resampled)", "p (Holm)"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in (row for row in rows if row["outcome"] != "identical" or row["note"]):
        metric = row["metric"]
        if row["note"]:
            table.add_row(row["study"], row["system"], TITLES[metric], "", "", "", "", row["note"])
            continue
        difference, low, high = (shown(metric, row[key], 1) for key in ("difference", "ci_low", "ci_high"))
        figures = (shown(metric, row["then"], 1), shown(metric, row["now"], 1), f"{difference} ({low} to {high})")
        table.add_row(row["study"], row["system"], TITLES[metric], *figures, f"{row['p_holm']:.3f}", row["outcome"])
    changed = {(row["study"], row["system"]) for row in rows if row["outcome"] != "identical" or row["note"]}
    same = dict.fromkeys(row["system"] for row in rows if (row["study"], row["system"]) not in changed)
    if changed:
        console.print(table)
    console.print(f"identical predictions: {', '.join(same) or 'none'}", soft_wrap=True)


def differences(rev: str) -> list[dict]:
    """One row per study, system and metric that the work tree and ``rev`` share.

    Each has the keys of :func:`stages.metrics.summary.paired`, ``then`` and ``now`` (pooled values), ``p_holm`` (over
    all rows) and ``outcome``: ``identical``, ``tie``, ``better`` or ``worse``. Where two cannot be compared, ``note``
    says why.

    Raises
    ------
    UserError
        No such commit, no predictions in it, or DVC does not have them.
    """
    from ..metrics import intervals, scores

    then = _paths_at(rev)
    shared = [path for path in sorted(EVALUATIONS.glob("*/*.csv")) if path.as_posix() in then]
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for path in shared for row in _system(path, _fetched(path, rev, Path(folder)))]
    tested = [row for row in rows if not row["note"] and row["outcome"] != "identical"]
    for row, p in zip(tested, intervals.holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p
        gain = -row["difference"] if scores.lower_is_better(row["metric"]) else row["difference"]
        row["outcome"] = "tie" if p > 1 - row["confidence"] else "better" if gain > 0 else "worse"
    return rows


def _system(path: Path, before: Path) -> list[dict]:
    from ..metrics import scores, summary
    from ..metrics.predictions import read_predictions
    from ..protocols.table import load_split

    study = settings.read(settings.FILE, f"studies.{path.parent.name}")
    corpus = Path("data/ingest", study["corpus"])
    manifest, _ = load_split(corpus / "manifest.csv", corpus / "protocols" / f"{study['protocol']}.csv")
    evaluation = json.loads(path.with_suffix(".json").read_text())
    options = settings.validate(summary.Evaluate, evaluation["options"], "options", str(path.with_suffix(".json")))
    here, there = read_predictions(path), read_predictions(before)
    rows = []
    for metric in (name for name in scores.METRICS if name in evaluation["metrics"]):
        row = {"study": path.parent.name, "system": path.stem, "metric": metric, "note": ""}
        row |= {"confidence": options.confidence, "p_holm": 1.0, "outcome": "identical"}
        try:
            row |= summary.paired(here, there, manifest, metric, options)
        except UserError as reason:
            rows.append(row | {"note": str(reason)})
            continue
        row["now"] = evaluation["metrics"][metric]["pooled"]
        row["then"] = row["now"] - row["difference"]
        if row["difference"] or row["ci_low"] or row["ci_high"]:
            row["outcome"] = ""
        rows.append(row)
    return rows


def _paths_at(rev: str) -> set[str]:
    """The outputs that a commit's dvc.lock lists."""
    done = subprocess.run(["git", "show", f"{rev}:dvc.lock"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{rev}: no such commit, or no dvc.lock in it; name one that `git log -- dvc.lock` lists")
    entries = settings.parse(done.stdout, f"dvc.lock of {rev}").get("stages", {}).values()
    return {out["path"] for entry in entries for out in entry.get("outs", [])}


def _fetched(path: Path, rev: str, folder: Path) -> Path:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    there = folder / path.name
    try:
        DVCFileSystem(".", rev=rev).get_file(path.as_posix(), str(there))
    except (DvcException, OSError) as fault:
        raise UserError(f"{path} of {rev}: not in DVC's cache ({fault}); fetch it with `dvc fetch`") from None
    return there
