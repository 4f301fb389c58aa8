"""Other transcripts of a study's own test utterances."""

from pathlib import Path
from typing import Literal

from ..config.settings import Section, setting


class Words(Section):
    """The test utterances of a study with the text of another source; nothing is retrained."""

    kind: Literal["transcripts"] = setting("what is tried: other transcripts of the study's own test utterances")
    transcripts: str = setting("a name in transcripts")

    @property
    def words(self) -> str:
        return f"transcripts {self.transcripts}"


def error_rate(path: Path, utterances: list[str]) -> float | None:
    """Word error rate of the transcripts in a file over ``utterances``; None where these have no words of their own."""
    from ..transcripts.table import read_transcripts
    from ..transcripts.text import error_rates

    table = read_transcripts(path).set_index("utterance").loc[utterances]
    return error_rates(table["reference"].tolist(), table["text"].tolist())[1]
