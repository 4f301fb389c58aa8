"""All settings: resolved, checked, and written into the one file that jobs read."""

import json
import typing
from pathlib import Path

from ..adapt import Adapt
from ..cluster import Cluster
from ..config import settings
from ..retrain import Retrain
from ..runtime import disk
from ..workflow import stored_layers
from ..workflow.plan import Plan
from .checks import check
from .models import Row
from .resolve import resolved, shipped


def load(path: str = settings.PARAMS) -> dict:
    """The complete settings behind a user's file, after every check.

    Beside the sections of :class:`stages.parameters.models.Params` it has

    - ``rows``: {active study: {system: the settings of that system in that study, with the study's changes}}, which
      training jobs read;
    - ``chains``: {active study: {stage: {entry: its settings there}}} of the entries of ``adapt``, ``cluster`` and
      ``retrain`` behind its systems, which those stages read;
    - ``shipped``: {active study: {system, or STAGE.ENTRY: {key: the catalogue's value}}} of what params.yaml changes in
      the catalogue's rows and entries themselves, and ``ours`` (see :func:`ours`), which reports read;
    - ``stored``: {corpus: {encoder: the layers that active studies read}}, which extraction reads.

    Raises
    ------
    UserError
        The first fault, in one line that names file, key and remedy.
    """
    values = resolved(path)
    check(values, path)
    changed, plan = shipped(path), Plan(values, path)
    behind = chains(plan)
    before = {}
    for study in values["active"]:
        entries = (f"{stage}.{name}" for stage, found in behind[study].items() for name in found)
        names = (*values["studies"][study]["systems"], *entries)
        before[study] = {name: changed[name] for name in names if name in changed}
    return values | {
        "rows": rows(values),
        "chains": behind,
        "shipped": before,
        "ours": ours(),
        "stored": stored_layers.stored(plan),
    }


def ours() -> dict[str, list[str]]:
    """{recipe, adapt, cluster or retrain: its settings that its paper leaves open}, where there are any."""
    rows = typing.get_args(typing.get_args(Row)[0])
    models = {typing.get_args(one.model_fields["recipe"].annotation)[0]: one for one in rows}
    models |= {"adapt": Adapt, "cluster": Cluster, "retrain": Retrain}
    return {name: found for name, model in models.items() if (found := settings.ours(model))}


def chains(plan: Plan) -> dict[str, dict[str, dict[str, dict]]]:
    """{study: {stage: {entry: settings}}} of all that the systems of the active studies start from."""
    found: dict[str, dict] = {study: {} for study in plan.active}
    for study in plan.active:
        for name in plan.params["studies"][study]["systems"]:
            for stage, entry in plan.chain(study, plan.row(study, name)):
                found[study].setdefault(stage, {})[entry] = plan.entry(study, stage, entry)
    return found


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
