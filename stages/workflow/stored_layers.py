"""Which layers of an encoder a corpus' store holds: those that the systems of the active studies read."""

import re

from ..encoders.specs import NEEDED
from .plan import Plan

Layers = dict[str, dict[str, list[str]]]


def stored(plan: Plan) -> Layers:
    """{corpus: {encoder: layers}} for the encoders whose entry says ``needed``; over audio, or over any transcripts.

    A layer is as in :meth:`stages.recipes.system_config.System.layers_read`: how many blocks an encoder has is known
    when it is opened (:func:`stages.encoders.specs.chosen`). What an inactive study would read is left out.
    """
    found: dict[str, dict[str, set[str]]] = {}
    for study in plan.active:
        own = plan.params["studies"][study]
        for name in own["systems"]:
            for encoder, layers in of_system(plan, study, name).items():
                if NEEDED in plan.params["encoders"][encoder]["layers"]:
                    found.setdefault(own["corpus"], {}).setdefault(encoder, set()).update(layers)
    return {
        corpus: {encoder: _tidy(layers) for encoder, layers in sorted(encoders.items())}
        for corpus, encoders in sorted(found.items())
    }


def of_system(plan: Plan, study: str, name: str) -> dict[str, set[str]]:
    """{encoder: layers} that a system in a study reads, and the stages that it starts from."""
    row, found = plan.row(study, name), {}
    wanted = row.encoders()
    for kind, layers in row.layers_read().items():
        found.setdefault(plan.encoder(study, wanted[kind], kind), set()).update(layers)
    for stage, entry in plan.chain(study, row):
        speech = plan.entry(study, stage, entry)["speech"]
        found.setdefault(plan.encoder(study, speech, "speech"), set()).add("conv")
    return found


def _tidy(layers: set[str]) -> list[str]:
    """In a fixed order; with ``all``, what that includes is left out, so that it makes nothing stale."""
    numbered = re.compile(r"\d+|last(-\d+)?")
    kept = {name for name in layers if "all" not in layers or not numbered.fullmatch(name)}
    return sorted(kept, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
