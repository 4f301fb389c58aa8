"""The figures of each test part that a protocol names."""

from ..protocols import splits
from .summary import Evaluate, summarise


def of_parts(predictions, manifest, protocol, options: Evaluate) -> dict[str, dict]:
    """{part: {metric: figures}} as :func:`stages.metrics.summary.summarise` has them; empty where no part has a name.

    A part without a labelled row for a metric lacks it.
    """
    found = {}
    for part in splits.parts(protocol):
        own = protocol.loc[protocol["part"] == part, ["utterance", "fold"]]
        found[part], _ = summarise(predictions.merge(own, on=["utterance", "fold"]), manifest, options)
    return found
