"""Systems that are trained after others of their study: from their weights, or drawn to what they say."""

from ..config import settings
from ..recipes import chain
from ..runtime.errors import UserError
from ..workflow.plan import Plan

ALIKE = {
    "encoder": ("speech",),
    "gru": ("speech", "aggregator", "hidden", "gru_layers", "normalise"),
    "whole": ("speech", "aggregator", "hidden", "gru_layers", "normalise", "embedding"),
}
"""What a system has in common with the one that it starts from, by what it takes of it."""


def behind(path: str, study: str, name: str, plan: Plan) -> list[tuple[chain.Output, dict]]:
    """The outputs of ``adapt``, ``cluster`` and ``retrain`` behind a system, each with its entry's settings.

    Raises
    ------
    UserError
        A ``start`` names no output, or there is no such entry.
    """
    row, found = plan.row(study, name), {}

    def entry_of(stage: str, entry: str) -> dict:
        if entry not in plan.params[stage]:
            raise UserError(f"there is no '{stage}/{entry}'{settings.nearest(entry, plan.params[stage])}")
        found[stage, entry] = plan.entry(study, stage, entry)
        return found[stage, entry]

    try:
        chain.behind(row.starts_from, entry_of)
    except UserError as fault:
        raise UserError(f"{path}: systems.{name}.start: {fault}") from None
    for (stage, entry), own in found.items():
        labels = found["cluster", own["cluster"]] if stage == "retrain" else {}
        if labels and own["layer"] not in labels["layers"]:
            raise UserError(
                f"{path}: retrain.{entry}.layer: {own['layer']}, but cluster.{own['cluster']} in study '{study}' has"
                f" the layers {labels['layers']}; add it to them, or take one of these"
            )
    return list(found.items())


def check_after(path: str, study: str, name: str, plan: Plan) -> None:
    """Check that a system's teacher, and the system that it starts from, are there and fit.

    Raises
    ------
    UserError
        One is not of the study, cannot teach, or has other sizes.
    """
    row, systems = plan.row(study, name), plan.params["studies"][study]["systems"]
    if row.recipe == "regressor" and row.after:
        _tunes(path, study, name, plan)
        return
    for key, other in row.after.items():
        where = f"{path}: systems.{name}.{key}"
        if other not in plan.params["systems"]:
            raise UserError(f"{where}: there is no '{other}'{settings.nearest(other, plan.params['systems'])}")
        before = plan.row(study, other)
        if before.recipe != row.recipe or (key == "teacher" and before.sees != "both") or other == name:
            remedy = "name one of this recipe that sees both" if key == "teacher" else "name one of this recipe"
            raise UserError(f"{where}: '{other}' is no {key}; {remedy}")
        if other not in systems:
            raise UserError(f"{where}: '{other}' is no system of study '{study}'; add it to studies.{study}.systems")
        (_teaches if key == "teacher" else _begins)(f"{path}: studies.{study}: {name}", row, before, other)


def _teaches(where: str, row, teacher, name: str) -> None:
    if row.embedding != teacher.embedding:
        raise UserError(
            f"{where}: embedding {row.embedding}, but its teacher {name} has {teacher.embedding}; give both the same"
        )
    if row.residuals == "cross" and not teacher.cross_folds:
        raise UserError(
            f"{where}: residuals: cross, but its teacher {name} has cross_folds: 0; set that to 2 or more, or residuals"
            " to train"
        )


def _begins(where: str, row, start, name: str) -> None:
    if start.after.get("start"):
        raise UserError(f"{where}: start: {name} starts from {start.start} itself; name a system that starts from none")
    if start.sees != "speech" or (row.start_with == "encoder" and not start.tuned_blocks):
        raise UserError(
            f"{where}: start: {name} has trained no encoder that could be taken; name another, or take more"
        )
    for key in ALIKE[row.start_with]:
        own, other = getattr(row, key), getattr(start, key)
        if own != other:
            raise UserError(f"{where}: {key} {own}, but {name}, from which it starts, has {other}; give both the same")
    if start.tuned_blocks > row.tuned_blocks:
        raise UserError(
            f"{where}: tuned_blocks {row.tuned_blocks}, but {name}, from which it starts, has tuned"
            f" {start.tuned_blocks}; tune as many"
        )


def _tunes(path: str, study: str, name: str, plan: Plan) -> None:
    """A regressor starts from one of its study that fine-tuned the same speech encoder, without text."""
    row, systems = plan.row(study, name), plan.params["studies"][study]["systems"]
    where = f"{path}: systems.{name}.start"
    if row.start not in systems:
        near = settings.nearest(row.start, systems)
        raise UserError(f"{where}: '{row.start}' is not in studies.{study}.systems{near}; add it there")
    other = plan.row(study, row.start)
    if other.recipe != "regressor" or other.tune != "all" or other.use_text:
        raise UserError(f"{where}: '{row.start}' does not fine-tune a speech encoder alone; name a regressor that does")
    if plan.encoder(study, other.speech, "speech") != plan.encoder(study, row.speech, "speech"):
        raise UserError(f"{where}: '{row.start}' fine-tunes another speech encoder; give both rows the same speech")
