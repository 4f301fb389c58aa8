"""How far the raters of an utterance agree, from whatever columns a manifest has of them."""


def agreement(manifest):
    """The largest share of votes per utterance, float [utterances], NaN where unknown; None where nothing is known.

    Taken from the column ``agreement`` where there is one, else from the soft labels ``votes_<class>``.
    """
    import pandas as pd

    votes = [name for name in manifest.columns if name.startswith("votes_")]
    if "agreement" in manifest:
        found = pd.to_numeric(manifest["agreement"], errors="coerce")
    elif votes:
        found = manifest[votes].apply(pd.to_numeric, errors="coerce").max(axis=1)
    else:
        return None
    return found if found.notna().any() else None
