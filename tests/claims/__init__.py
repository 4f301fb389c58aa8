"""The long statistical tests (`make claims`)."""

from stages.parameters.resolve import resolved
from tests.unit.catalogue import PARAMS


def changes_of(system: str) -> dict:
    """What the default study changes of a system."""
    return resolved(PARAMS)["studies"]["default"]["changes"][system]


def fifths(validation: int) -> dict:
    """A protocol of five folds by speaker, four classes, ``validation`` speakers of each training part put by."""
    return {
        "kind": "group-folds",
        "by": "speaker",
        "folds": 5,
        "validation": validation,
        "classes": ["angry", "happy", "neutral", "sad"],
        "merge": {"excited": "happy"},
    }
