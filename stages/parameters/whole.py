"""All settings: resolved, checked, and written into the one file that jobs read."""

import json
from pathlib import Path

from ..config import settings
from ..runtime import disk
from ..workflow import stored_layers
from ..workflow.plan import Plan
from .checks import check
from .resolve import resolved, shipped


def load(path: str = settings.PARAMS) -> dict:
    """The complete settings behind a user's file, after every check.

    Beside the sections of :class:`stages.parameters.models.Params` it has ``rows``: {active study: {system: the
    settings of that system in that study, with the study's changes}}, which training jobs read; ``shipped``:
    {active study: {system: {key: the catalogue's value}}} of what params.yaml changes in the catalogue's rows
    themselves, which reports read; and ``stored``: {corpus: {encoder: the layers that active studies read}}, which
    extraction reads.

    Raises
    ------
    UserError
        The first fault, in one line that names file, key and remedy.
    """
    values = resolved(path)
    check(values, path)
    changed = shipped(path)
    before = {
        study: {name: changed[name] for name in values["studies"][study]["systems"] if name in changed}
        for study in values["active"]
    }
    return values | {"rows": rows(values), "shipped": before, "stored": stored_layers.stored(Plan(values, path))}


def rows(values: dict) -> dict[str, dict[str, dict]]:
    """{study: {system: settings}}: the rows of the active studies, each with the changes of the study that lists it.

    No job runs for the others, and with theirs the file would be twice as long; DVC walks through all of it for each
    key that a stage depends on.
    """
    studies = ((study, values["studies"][study]) for study in values["active"])
    return {
        study: {name: values["systems"][name] | own["changes"].get(name, {}) for name in own["systems"]}
        for study, own in studies
    }


def write(values: dict, path: str | Path = settings.FILE) -> bool:
    """Write the settings where they are not there already; whether anything changed."""
    text, path = json.dumps(values, indent=1, ensure_ascii=False) + "\n", Path(path)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with disk.writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True
