"""The templates of the pages: what is shown is escaped, what is missing is refused, any package name will do."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import jinja2
import pytest

from stages.metrics.trainings import trainings
from stages.pages import cells, figures, importance, overview, render, trust
from stages.pages.report_data import Contents, Entry
from stages.training import units
from tests.unit.small_corpus import ROOT
from tests.unit.small_trainings import trained

EVIL = "<script>alert('1')</script> & \"co\""


class Page(HTMLParser):
    """Tags that were opened, the text between them, and the values of all attributes."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.words, self.values = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data):
        self.words += data


def shown(macro: str, file: str, content) -> Page:
    """What a macro of a template makes of ``content``."""
    return Page(str(getattr(render._environment().get_template(file).module, macro)(content)))


FIGURES = {
    "strips": figures.strips(
        "uar",
        [{"name": EVIL, "control": False, "value": 0.5, "low": 0.4, "high": 0.6, "ceiling": 0.7}],
        1,
        0.95,
    ),
    "confusion": figures.confusion(EVIL, [EVIL, "b"], [[1, 2], [0, 0]]),
    "reliability": figures.reliability(EVIL, {"bins": [[0.5, 0.6, 10]], "ece": 0.1, "brier": 0.2}),
    "histogram": figures.histogram(EVIL, [1.0, 2.0], "s"),
    "stacked": figures.stacked("Labels", [(EVIL, [3, 0])], ["female", "male"]),
    "layers": importance.figures(EVIL, [{"of": "", "layer": "1", "weight": 1.0, "low": None, "high": None}], 1)[0],
}


@pytest.mark.parametrize("macro", FIGURES)
def test_labels_are_escaped_in_every_figure(macro):
    page = shown(macro, "figures.html.j2", FIGURES[macro])
    assert "script" not in page.tags and EVIL in page.words
    assert any(EVIL in value for value in page.values)


def test_cells_are_escaped():
    row = [EVIL, cells.Cell(EVIL, "wide", (cells.Span(EVIL, "tag"), cells.Span(EVIL)))]
    page = shown("table", "widgets.html.j2", cells.table([EVIL, "b"], [row]))
    assert page.tags == ["div", "table", "thead", "tr", "th", "th", "tbody", "tr", "th", "td", "span"]
    assert page.words.count(EVIL) == 5


def test_a_file_name_is_escaped_in_links():
    rows = [{"system": EVIL, "metric": "uar", "missing": "", "modality": "audio", "paper": "", "outcome": "tie"}]
    figure = {"pooled": 0.5, "ci_low": None, "ci_high": None}
    study = {"study": EVIL, "rows": [row | {"watermark": EVIL} for row in rows], "metrics": {EVIL: {"uar": figure}}}
    page = Page(overview.html([study]))
    assert "script" not in page.tags and f"{EVIL}/index.html" in page.values


def test_a_name_that_a_template_lacks_is_refused():
    with pytest.raises(jinja2.UndefinedError, match="studies"):
        render.render("overview.html.j2", marks=[])


def test_templates_are_found_under_another_package_name(tmp_path):
    shutil.copytree(ROOT / "stages", tmp_path / "other", ignore=shutil.ignore_patterns("__pycache__"))
    code = "from other.pages import overview; print(overview.html([]))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.search(r"<p>No report yet: run <code>make</code>.</p>", ended.stdout)


def test_the_sizes_of_fine_tuned_models_are_shown(tmp_path):
    """All parameters, the frozen CNN's too, and those trained; a system without a note of them has no line."""
    arrays, notes = trained("regressor", use_text=False)
    units.write(tmp_path / "m.safetensors", {(1, 1): (arrays, notes)}, "model/")
    found = {"tuned": trainings([tmp_path / "m.safetensors"]), "control": None}
    entries = [Entry(name, None, {}, [], {"training": training, "metrics": {}}) for name, training in found.items()]
    whole = sum(a.size for name, a in arrays.items() if name.startswith("model/network/"))
    cnn = sum(a.size for name, a in arrays.items() if "feature_extractor" in name)
    page = shown("table", "widgets.html.j2", trust.sizes(Contents("s", [], entries, {}, {}, [], [], 0.95, 1, [])))
    assert f"\ntuned{whole:,}{whole - cnn:,}\n" in page.words and "control" not in page.words and cnn
