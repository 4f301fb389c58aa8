"""How far the raters of an utterance agree, from the manifest's columns ``agreement`` or ``votes_<class>``."""


def agreement(manifest):
    """The largest share of votes per utterance, float [utterances], NaN where unknown; None if all are unknown.

    It uses the column ``agreement`` if there is one, else the soft labels ``votes_<class>``.
    """
    import pandas as pd

    votes = [name for name in manifest.columns if name.startswith("votes_")]
    if "agreement" in manifest:
        largest = pd.to_numeric(manifest["agreement"], errors="coerce")
    elif votes:
        largest = manifest[votes].apply(pd.to_numeric, errors="coerce").max(axis=1)
    else:
        return None
    return largest if largest.notna().any() else None
