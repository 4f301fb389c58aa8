"""The figure of learning curves: what it draws of the metrics, and that its labels can be read."""

import itertools
import re

import pytest

from tests.learning_curve import HEIGHT, LABEL, PANELS, lines, panel, picture

SIZES = (300, 150)


def rows() -> list[dict]:
    found = []
    for training, (name, value) in itertools.product(SIZES, {"linear": 0.3, "Dense": 0.301, "majority": 0.25}.items()):
        row = {"training": training, "name": name, "metric": "uar", "control": name == "majority"}
        row |= {"value": value + training / 1e4, "low": value, "high": value + 0.04}
        found.append(row | {"ceiling": None if row["control"] else 0.5})
    for training, metric in itertools.product(SIZES, ("ccc_arousal", "ccc_valence", "ccc_dominance")):
        row = {"training": training, "name": "linear", "control": False, "metric": metric}
        found.append(row | {"value": 0.02, "low": -0.03, "high": 0.2, "ceiling": 0.9})
    return found


def test_lines_are_the_metrics_in_the_order_of_their_training_utterances():
    drawn = {line["label"]: line for line in lines(rows(), PANELS["UAR %"], 100)}
    assert drawn.keys() == {"linear", "Dense", "majority", "ceiling"}
    assert drawn["linear"]["points"] == [pytest.approx([150, 31.5, 30, 34]), pytest.approx([300, 33, 30, 34])]
    assert drawn["ceiling"]["points"] == [[150, 50, None, None], [300, 50, None, None]]
    assert [line["dash"] == [] for line in drawn.values()].count(True) == 2
    drawn = lines(rows(), PANELS["CCC"], 1)
    assert {line["label"] for line in drawn} == {
        *("arousal linear", "arousal ceiling", "valence linear", "valence ceiling")
    }


def test_labels_keep_a_line_apart_and_axes_show_every_interval():
    made = panel("CCC", lines(rows(), PANELS["CCC"], 1), 0.1)
    low, high = made["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert (low, high) == (-0.1, 0.9)
    marks = [layer for layer in made["layer"] if layer["mark"]["type"] == "text"]
    places = sorted(layer["data"]["values"][0]["y"] for layer in marks)
    gaps = [(after - before) / (high - low) * HEIGHT for before, after in itertools.pairwise(places)]
    assert len(places) == 4 and min(gaps) > LABEL - 0.01


def test_the_picture_is_small_and_says_what_each_line_is():
    svg = picture(rows())
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert {"linear", "Dense", "majority", "ceiling", "valence linear", "150", "300"} <= set(texts)
    assert len(svg) < 100_000
