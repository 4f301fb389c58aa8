"""The stages ``adapt``, ``cluster`` and ``retrain``: what their entries, and rows of systems, start from.

A ``start`` is '' (the untouched encoder) or the output of an entry, ``adapt/NAME`` or ``retrain/NAME``. An entry of
``retrain`` reads pseudo-labels besides, those of an entry of ``cluster``.
"""

from collections.abc import Callable

from ..runtime.errors import UserError

STAGES = ("adapt", "cluster", "retrain")
ENCODERS = ("adapt", "retrain")
"""Those whose output has an encoder."""
START = "whose encoder: adapt/NAME or retrain/NAME; '' for the untouched one"
"""What the setting ``start`` means."""

Output = tuple[str, str]
"""Stage and entry."""


def output(start: str) -> Output:
    """The stage and the entry that a ``start`` names.

    Raises
    ------
    UserError
        It is no output with an encoder.
    """
    stage, _, name = start.partition("/")
    if stage not in ENCODERS or not name:
        raise UserError(
            f"'{start}' is no output of a stage; write adapt/NAME or retrain/NAME, or '' for the untouched encoder"
        )
    return stage, name


def entry(params: dict, study: str, stage: str, name: str) -> dict:
    """The settings of a stage's entry in a study: its own, the study's changes of ``STAGE.NAME`` over them."""
    return params[stage][name] | params["studies"][study]["changes"].get(f"{stage}.{name}", {})


def read_by(entry: dict) -> dict[str, Output]:
    """{input: the output that it is} of an entry of one of the stages: ``start``, and ``labels`` of ``retrain``."""
    found = {"start": output(entry["start"])} if entry.get("start") else {}
    return found | ({"labels": ("cluster", entry["cluster"])} if "cluster" in entry else {})


def learns_words(entry: dict) -> bool:
    """Whether an entry is trained on what was said."""
    return entry.get("task") == "ctc" and entry["emotion_weight"] < 1


def behind(start: str, entry_of: Callable[[str, str], dict]) -> list[Output]:
    """The output that ``start`` names and all that it is made from, each once; none for the untouched encoder.

    ``entry_of`` gives the settings of a stage's entry.

    Raises
    ------
    UserError
        One of them names no output, or is made from itself.
    """
    found: list[Output] = []

    def visit(one: Output, after: tuple[Output, ...]) -> None:
        if one in after:
            raise UserError(f"'{'/'.join(one)}' is made from itself; let it start from another output, or from ''")
        if one not in found:
            found.append(one)
            for before in read_by(entry_of(*one)).values():
                visit(before, (*after, one))

    if start:
        visit(output(start), ())
    return found
