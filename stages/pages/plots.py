"""The report's figures as tables, for `dvc plots`: one CSV per kind, all systems in it.

``PLOTS`` names each with the columns of its axes; their templates are .dvc/plots/NAME.json.
"""

import csv
from pathlib import Path

from ..metrics.predictions import read_predictions
from ..runtime import disk

PLOTS = {
    "confusion": ("predicted", "true"),
    "agreement": ("true", "predicted"),
    "layers": ("layer", "weight"),
    "curves": ("epoch", "score"),
    "calibration": ("confidence", "accuracy"),
}
"""Name: (x, y)."""
POINTS = 400
"""The most utterances that are plotted per system and dimension, taken at even steps from the sorted list."""


def write(contents, csvs: dict[str, Path], folder: Path) -> None:
    """``folder``/NAME.csv of every plot; a file has only its header if no system has such a figure."""
    rows: dict[str, list[dict]] = {name: [] for name in PLOTS}
    for entry in contents.entries:
        if entry.evaluation:
            for name, found in _of_system(entry.evaluation, csvs[entry.name]).items():
                rows[name] += [{"system": " ".join([entry.name, row.get("of", "")]).strip(), **row} for row in found]
    columns = {
        "confusion": ("system", "true", "predicted", "share"),
        "agreement": ("system", "dimension", "utterance", "true", "predicted"),
        "layers": ("system", "layer", "weight", "sd", "low", "high"),
        "curves": ("system", "epoch", "loss", "score", "units"),
        "calibration": ("system", "confidence", "accuracy", "count"),
    }
    for name, names in columns.items():
        with disk.writing(folder / f"{name}.csv") as temporary, open(temporary, "w", newline="") as handle:
            writer = csv.DictWriter(handle, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _cell(row[key]) for key in names} for row in rows[name])


def _of_system(evaluation: dict, predictions: Path) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    if "confusion" in evaluation:
        labels, counts = evaluation["confusion"]["labels"], evaluation["confusion"]["counts"]
        found["confusion"] = [
            {"true": true, "predicted": predicted, "share": count / max(sum(row), 1)}
            for true, row in zip(labels, counts, strict=True)
            for predicted, count in zip(labels, row, strict=True)
        ]
    if evaluation.get("calibration"):
        bins = evaluation["calibration"]["plain"]["bins"]
        found["calibration"] = [{"confidence": c, "accuracy": a, "count": n} for c, a, n in bins]
    if evaluation["dimensions"]:
        found["agreement"] = _agreement(predictions, list(evaluation["dimensions"]))
    training = evaluation.get("training") or {}
    return found | {name: training[name] for name in ("curves", "layers") if training.get(name)}


def _agreement(path: Path, dimensions: list[str]) -> list[dict]:
    frame = read_predictions(path).query("role == 'test'")
    rows = []
    for name in dimensions:
        table = frame.groupby("utterance", sort=True)[[f"true_{name}", f"pred_{name}"]].mean().dropna()
        for utterance, (true, predicted) in table.iloc[:: -(-len(table) // POINTS) or 1].iterrows():
            rows.append({"dimension": name, "utterance": utterance, "true": true, "predicted": predicted})
    return rows


def _cell(value):
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
