"""The long statistical tests (`make claims`)."""


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
