"""How much of what is said in test is said in training too, word for word: scripts recur, and text models notice."""

LONG = 4
"""Words from which on a sentence counts as long; shorter ones ("yeah, I know") recur by themselves."""


def script_overlap(manifest, protocol) -> dict[str, int]:
    """Of the test utterances of all folds that have words: ``tested``, how many are in their fold's training part too
    (``shared``), and the same of sentences with :data:`LONG` words or more (``long``, ``long_shared``)."""
    from ..transcripts.text import words

    said = {u: tuple(words(text)) for u, text in zip(manifest["utterance"], manifest["text"], strict=True)}
    counts = dict.fromkeys(("tested", "shared", "long", "long_shared"), 0)
    for _, rows in protocol.groupby("fold"):
        trained = {said[u] for u in rows.loc[rows["role"] == "train", "utterance"]}
        for utterance in rows.loc[rows["role"] == "test", "utterance"]:
            sentence = said[utterance]
            if sentence:
                counts["tested"] += 1
                counts["shared"] += sentence in trained
            if len(sentence) >= LONG:
                counts["long"] += 1
                counts["long_shared"] += sentence in trained
    return counts
