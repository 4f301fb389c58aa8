"""Other transcripts of a study's own test utterances."""

from typing import Literal

from ..config.settings import Section, setting


class Words(Section):
    """The test utterances of a study with the text of another source; nothing is retrained."""

    kind: Literal["transcripts"] = setting("what is tried: other transcripts of the study's own test utterances")
    transcripts: str = setting("a name in transcripts")

    @property
    def words(self) -> str:
        return f"transcripts {self.transcripts}"
