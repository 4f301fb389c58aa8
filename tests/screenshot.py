"""The picture of a report in README, taken by headless Chromium after a run: python -m tests.screenshot [STUDY]"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.unit.test_browser import CHROMIUM

OUT = Path(".github/report.png")
WIDTH, HEIGHT = 1100, 1120


def main() -> None:
    page = Path("data/report", *(sys.argv[1:] or ["default"]), "index.html").resolve()
    if not CHROMIUM or not page.is_file():
        sys.exit("error: no Chromium found" if page.is_file() else f"error: {page}: no such page; run make first")
    OUT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
        own = (f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={folder}", f"--screenshot={folder}/page.png")
        subprocess.run([CHROMIUM, *flags, *own, page.as_uri()], check=True, capture_output=True, timeout=300)
        with Image.open(f"{folder}/page.png") as picture:
            picture.convert("RGB").quantize(256).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
