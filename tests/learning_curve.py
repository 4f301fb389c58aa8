"""Draw a learning curve from finished studies that differ in their training utterances alone.

    python -m tests.learning_curve [--out docs/learning-curve.svg] [STUDY ...]

Two panels: UAR in %, and CCC of arousal and valence, over the training utterances of a fold, which a protocol's
`training` limits. Bands are the 95 % intervals of data/report/STUDY/metrics.json, dashed lines the ceiling of the voice
on a planted corpus, dotted ones controls. A table of the same figures is printed.
"""

import argparse
import csv
import itertools
import json
from pathlib import Path

import vl_convert

from stages.config import settings
from stages.pages import number_format
from stages.protocols.table import read_protocol
from stages.runtime import disk

STUDIES = [f"curve-{count}" for count in (150, 300, 600, 1200, 3000)]
PANELS = {"UAR %": {"uar": ""}, "CCC": {"ccc_arousal": "arousal", "ccc_valence": "valence"}}
NAMES = {
    "pepino2021-dense-global": "Dense",
    "finetune": "fine-tuned",
    "linear-dimensions": "linear",
    "finetune-dimensions": "fine-tuned",
    "duration-dimensions": "duration",
}
COLOURS = {"linear": "#1d5fa8", "Dense": "#1f7a4d", "fine-tuned": "#a3431f"}
INK, SOFT, LINE = "#1b2430", "#5a6675", "#d9dfe6"
"""The page's colours (stages/pages/templates/style.css)."""
WIDTH, HEIGHT, LABEL = 300, 250, 13
"""Of a panel, and from one label to the next, pixels."""


def figures(study: str) -> list[dict]:
    """One row per system and metric of a study: training, name, control, metric, value, low, high, ceiling."""
    own = settings.read(settings.SETTINGS, f"studies.{study}")
    folder, corpus = Path("data/report", study), Path("data/ingest", own["corpus"])
    protocol = read_protocol(corpus / f"protocols/{own['protocol']}.csv")
    training = int(protocol[protocol["role"] == "train"].groupby("fold").size().max())
    known = corpus / "ceilings.json"
    ceilings = json.loads(known.read_text()) if known.exists() else {}
    with open(folder / "table.csv", newline="") as file:
        sees = {row["system"]: row["modality"] for row in csv.DictReader(file)}
    rows = []
    for system, found in json.loads((folder / "metrics.json").read_text()).items():
        for metric, figure in found.items():
            row = {"training": training, "name": NAMES.get(system, system), "control": sees[system] == "none"}
            row |= {"metric": metric, "ceiling": number_format.ceiling(ceilings, sees[system], metric)}
            rows.append(row | {k: figure[v] for k, v in (("value", "pooled"), ("low", "ci_low"), ("high", "ci_high"))})
    return rows


def lines(rows: list[dict], metrics: dict[str, str], scale: float) -> list[dict]:
    """The panel's lines: label, colour, dash, points (x, value, low, high)."""
    found: dict[tuple, dict] = {}
    for row in (row for row in rows if row["metric"] in metrics):
        about, grey = metrics[row["metric"]], {"colour": SOFT, "dash": [2, 3]}
        style = grey if row["control"] else {"colour": COLOURS.get(row["name"], INK), "dash": []}
        point = [row["training"], *(scale * row[key] for key in ("value", "low", "high"))]
        made = {"label": f"{about} {row['name']}".strip(), "points": [], **style}
        found.setdefault((row["metric"], row["name"]), made)["points"].append(point)
        if row["ceiling"] is not None:
            made = {"label": f"{about} ceiling".strip(), "points": {}, "colour": INK, "dash": [6, 4]}
            line = found.setdefault((row["metric"],), made)
            line["points"][row["training"]] = [row["training"], scale * row["ceiling"], None, None]
    for line in found.values():
        points = line["points"]
        line["points"] = sorted(points.values() if isinstance(points, dict) else points)
    return list(found.values())


def panel(title: str, drawn: list[dict], step: float) -> dict:
    """The Vega-Lite view of a panel, its labels at the lines' ends and its axis in units of ``step``."""
    values = [value for line in drawn for point in line["points"] for value in point[1:] if value is not None]
    ticks = [step * n for n in range(int(min(values) // step), int(-(-max(values) // step)) + 1)]
    bottom, top = ticks[0], ticks[-1]
    sizes = sorted({point[0] for line in drawn for point in line["points"]})
    x = {"field": "x", "type": "quantitative", "title": "training utterances"}
    x |= {"scale": {"type": "log", "domain": [sizes[0], sizes[-1]]}}
    x |= {"axis": {"grid": False, "values": sizes, "format": ","}}
    y = {"field": "y", "type": "quantitative", "title": None, "scale": {"domain": [bottom, top]}}
    y |= {"axis": {"values": ticks}}
    layers, gap = [], (top - bottom) * LABEL / HEIGHT
    for line, place in zip(drawn, _apart([line["points"][-1][1] for line in drawn], gap), strict=True):
        values = [dict(zip(("x", "y", "low", "high"), point, strict=True)) for point in line["points"]]
        own, colour, solid = {"values": values}, line["colour"], not line["dash"]
        if solid:
            band = {"type": "area", "color": colour, "opacity": 0.13}
            low = {**y, "field": "low"}
            layers.append({"data": own, "mark": band, "encoding": {"x": x, "y": low, "y2": {"field": "high"}}})
        point = {"filled": True, "size": 30, "color": colour} if solid else False
        mark = {"type": "line", "color": colour, "strokeDash": line["dash"], "strokeWidth": 1.6, "point": point}
        layers.append({"data": own, "mark": mark, "encoding": {"x": x, "y": y}})
        label = {"type": "text", "align": "left", "dx": 8, "color": colour, "fontSize": 11, "text": line["label"]}
        end = {"values": [{"x": sizes[-1], "y": place}]}
        layers.append({"data": end, "mark": label, "encoding": {"x": x, "y": y}})
    return {"title": title, "width": WIDTH, "height": HEIGHT, "layer": layers}


def _apart(places: list[float], gap: float) -> list[float]:
    """``places``, moved so little that neighbours are ``gap`` apart."""
    moved = list(places)
    for _ in range(200):
        order = sorted(range(len(moved)), key=lambda i: (moved[i], i))
        for low, high in itertools.pairwise(order):
            short = gap - (moved[high] - moved[low])
            if short > 1e-9:
                moved[low], moved[high] = moved[low] - short / 2, moved[high] + short / 2
    return moved


def picture(rows: list[dict]) -> str:
    """The figure as SVG."""
    panels = []
    for title, metrics in PANELS.items():
        percent = title.endswith("%")
        drawn = lines(rows, metrics, 100 if percent else 1)
        panels.append(panel(title, drawn, 5 if percent else 0.1))
    axis = dict.fromkeys(("gridColor", "domainColor", "tickColor"), LINE) | {"labelColor": SOFT, "labelFlush": False}
    axis |= {"titleColor": SOFT, "titleFontWeight": "normal"}
    heading = {"anchor": "start", "color": INK, "fontSize": 13}
    style = {"view": {"stroke": None}, "font": "sans-serif", "title": heading, "axis": axis}
    whole = {"background": "white", "padding": 12, "hconcat": panels, "spacing": 24, "config": style}
    return vl_convert.vegalite_to_svg(whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=STUDIES, metavar="STUDY")
    parser.add_argument("--out", type=Path, default=Path("docs/learning-curve.svg"))
    args = parser.parse_args()
    rows = [row for study in args.studies for row in figures(study)]
    for row in rows:
        if any(row["metric"] in metrics for metrics in PANELS.values()):
            cells = (number_format.shown(row["metric"], row[key], 1) for key in ("value", "ceiling"))
            interval = number_format.interval(row["metric"], row["low"], row["high"], 1)
            print(row["training"], row["name"], row["metric"], *cells, interval, sep="\t")
    with disk.writing(args.out) as temporary:
        temporary.write_text(picture(rows))


if __name__ == "__main__":
    main()
