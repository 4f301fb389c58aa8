"""The table of transcripts for all stages: utterance, text (models read its plain words), reference, without tags."""

from pathlib import Path

from ..runtime.errors import UserError

COLUMNS = ("utterance", "text", "reference")


def read_transcripts(path: Path | str):
    """The table as a data frame, all text.

    Raises
    ------
    UserError
        The file is missing or no table, a column is missing, or a text has a tag such as ``[LAUGHTER]``: a
        transcriber's note on how something was said, which may give the label away.
    """
    import pandas as pd

    from .text import tags

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as fault:
        why = " ".join(str(fault).split())
        raise UserError(f"{path}: not a table of transcripts ({why}); delete it and run transcribe again") from None
    for name in COLUMNS:
        if name not in table:
            raise UserError(f"{path}: line 1: no column '{name}'; delete it and run transcribe again")
    for name in COLUMNS[1:]:
        bad = table[table[name].map(lambda text: bool(tags(text)))]
        if len(bad):
            first, more = bad.iloc[0], f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            raise UserError(
                f"{path}: {first['utterance']}{more}: {name}: the tag {tags(first[name])[0]} may give the label away; "
                "run the stage transcribe again, which removes tags"
            )
    return table
