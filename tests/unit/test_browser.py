"""The page in a real browser, at a phone's width and a desk's; skipped where there is no Chromium."""

import html
import json
import re
import shutil
import subprocess

import pytest

from tests.unit.small_study import SmallStudy, predictions

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FOREIGN = "http://127.0.0.1:9/x.png"
PROBE = """<script>addEventListener('load', () => document.body.dataset.probe = JSON.stringify({
 requests: performance.getEntriesByType('resource').map(entry => entry.name),
 width: [document.documentElement.clientWidth, document.documentElement.scrollWidth],
 figures: document.querySelectorAll('figure').length,
 mute: [...document.querySelectorAll('img,svg,canvas,[role=img],figure table')]
   .filter(one => !(one.getAttribute('aria-label') || one.alt)).length}))</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    names, trials = ("linear", "linear-dimensions"), {"noise-20": [], "noise-0": []}
    study = SmallStudy(tmp_path_factory.mktemp("page"), {name: {} for name in names}, trials=trials)
    tried = []
    for name, task in (("linear", "emotion"), ("linear-dimensions", "dimensions")):
        path = study.predict(name, predictions(study.rows, study.roles, task, 1.0))
        assert study.evaluate(name, path).returncode == 0
        tried += [study.tried(one, name, predictions(study.rows, study.roles, task, 0.5)) for one in trials]
    assert study.report(names, "--robustness", *tried).returncode == 0
    return (study.folder / "report/small/index.html").read_text()


def seen(folder, page: str, width: int) -> tuple[dict, list[str]]:
    """What the page is like once it is loaded, and what it wrote to the console."""
    path = folder / f"{width}.html"
    path.write_text(page.replace("</body>", f"{PROBE}</body>"))
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr", "--dump-dom")
    own = (f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=1000")
    done = subprocess.run([CHROMIUM, *flags, *own, path.as_uri()], capture_output=True, text=True, timeout=300)
    (probe,) = re.findall(r'data-probe="([^"]*)"', done.stdout)
    return json.loads(html.unescape(probe)), [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_page_asks_no_network_and_fits_phone_and_desk(page, tmp_path):
    found, console = seen(tmp_path, page, 500)  # headless Chromium makes no narrower window
    assert found["requests"] == [] and console == []
    assert found["figures"] > 5 and found["mute"] == 0
    assert found["width"][1] <= found["width"][0]
    bad = page.replace(
        "</main>", f'<img src="{FOREIGN}"><div style="width:3000px">x</div><script>nowhere()</script></main>'
    )
    found, console = seen(tmp_path, bad, 1400)  # the same eyes see what is wrong
    assert found["requests"] == [FOREIGN] and found["mute"] == 1 and found["width"][1] > found["width"][0]
    assert console
