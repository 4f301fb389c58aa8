"""The page in which `dvc plots` draws. It contains the drawing code, so it works without a network."""

from pathlib import Path

from ..runtime import disk

PAGE = Path(".dvc/tmp/plots.html")
_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Serpentine plots</title>
{refresh_tag}
<script>%s</script>
<style>body { font-family: system-ui, sans-serif; margin: 1rem } table { border-spacing: 15px }</style>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def write() -> None:
    """Write the page once; .dvc/config points `dvc plots` at it."""
    if PAGE.exists() or not Path(".dvc").is_dir():
        return
    import vl_convert

    code = vl_convert.javascript_bundle().replace("</script", "<\\/script")
    with disk.writing(PAGE) as temporary:
        temporary.write_text(_HTML % code, encoding="utf-8")
