"""What every row of ``systems:`` has in common."""

import importlib
from typing import ClassVar, Literal

from pydantic import field_validator

from ..config import settings
from ..config.settings import Section, setting
from ..runtime.errors import UserError


class System(Section):
    """A system says how; the study says where (corpus, protocol, encoders, seeds)."""

    stage: ClassVar[str] = "train"
    """The stage that makes this system's predictions."""
    inputs: ClassVar[tuple[str, ...]] = ()
    """Files that the recipe reads beside manifest and protocol (see stages/workflow/plan.py)."""
    heavy: ClassVar[bool] = False
    """Heavy recipes share their folds out among ``parts`` jobs; light ones train all in one."""

    networked: ClassVar[bool] = False
    """Light, but a GPU trains it faster (heavy recipes take one in any case)."""
    transcribes: ClassVar[bool] = False
    """Transcripts are read in training alone; the system transcribes new audio itself."""
    deterministic: ClassVar[bool] = False
    """Training draws no random numbers, so one seed stands for all."""

    paper: str = setting("key of the paper in data/published.csv; empty for a control")
    table: str = setting("the paper's table, as numbered there")
    row: str = setting("the row of that table")
    also: list[list[str]] = setting("further rows that it stands for, each as [table, row]")
    modality: Literal["audio", "text", "audio+text", "none"] = setting("what the system sees at test time")
    speech: str = setting("speech encoder, a name in encoders; study: the study's own")
    text: str = setting("text encoder, a name in encoders; study: the study's own")
    transcripts: str = setting("where its text comes from, a name in transcripts; study: the study's own")

    @property
    def cells(self) -> list[tuple[str, str]]:
        """(table, row) of every row of its paper that it stands for."""
        return [(self.table, self.row), *((table, row) for table, row in self.also)] if self.paper and self.row else []

    @field_validator("also")
    @classmethod
    def _pairs(cls, also: list[list[str]]) -> list[list[str]]:
        if any(len(pair) != 2 for pair in also):
            raise ValueError("each is [table, row], two words in brackets")
        return also

    def files(self) -> tuple[str, ...]:
        """Those of ``inputs`` that this row reads: one that sees no text needs none."""
        text = ("text", "transcripts", "text-weights") if not getattr(self, "use_text", True) else ()
        return tuple(name for name in self.inputs if name not in text)

    def encoders(self) -> dict[str, str]:
        """{speech, beside or text: the encoder that the row names} of those that it uses."""
        used = [kind for kind in ("speech", "beside", "text") if {kind, f"{kind}-weights"} & set(self.files())]
        return {kind: getattr(self, kind) for kind in used}

    def layers_read(self) -> dict[str, list[str]]:
        """{store that the row reads, ``speech``, ``beside`` or ``text``: its layers}.

        A layer is a name in the store, ``all`` (every numbered one), ``last``, or ``last-N``, N before the last. A
        recipe that says nothing of it reads its own ``layers``, or all, and ``conv`` where it trains an encoder.
        """
        numbered = {"speech": getattr(self, "layers", ["all"]), "beside": ["0"], "text": ["all"]}
        found = {kind: numbered[kind] for kind in numbered if kind in self.files()}
        if "speech" in found and "speech-weights" in self.files():
            found["speech"] = [*found["speech"], "conv"]
        return found

    @property
    def starts_from(self) -> str:
        """The output of another stage that the row starts from, as in stages/recipes/chain.py; empty for none."""
        return ""

    @property
    def after(self) -> dict[str, str]:
        """{input: the system of the same study that makes it}: ``teacher`` and ``start``, where the row has them."""
        return {}

    @property
    def columns(self) -> tuple[str, ...]:
        """Further columns of its predictions; recipes give their values after the outputs."""
        return ()

    @property
    def learns_words(self) -> bool:
        """Whether it is trained on what was said, as the corpus itself transcribes it."""
        return False

    def given_words(self) -> "System":
        """The row as it reads the words that it is given where it would read its own."""
        return self

    @property
    def takes_gpu(self) -> bool:
        """Whether its training computes on a GPU where there is one."""
        return self.heavy or self.networked

    @property
    def reads_text(self) -> bool:
        """Whether transcripts are read, in training at least."""
        return bool({"text", "transcripts"} & set(self.files()))

    @property
    def needs_text(self) -> bool:
        """Whether an utterance must come with its transcript to be predicted."""
        return self.reads_text and not self.transcribes


EMOTION = Literal["emotion"]
DIMENSIONS = Literal["dimensions"]
TASK = Literal["emotion", "dimensions"]


def module(recipe: str):
    """The module of a recipe."""
    return importlib.import_module(f".{recipe}", __package__)


def settings_class(recipe: str) -> type[System]:
    """The settings of a recipe: the class in its module that bears its name."""
    return getattr(module(recipe), recipe.capitalize())


def row(values: dict, changes: dict, name: str, study: str, path: str = "params.yaml") -> System:
    """The settings of a system in a study: its row with the study's changes over it.

    Raises
    ------
    UserError
        A change names a key that the row does not have, or a value is of the wrong kind.
    """
    model, of = settings_class(values["recipe"]), f"studies.{study}.changes.{name}"
    return changed(model, values, changes, f"systems.{name}", of, path)


def changed(model: type[Section], values: dict, changes: dict, entry: str, of: str, path: str):
    """The settings of an ``entry`` (its dotted key) with ``changes``, which stand at the key ``of``, over them.

    Raises as :func:`row` does.
    """
    for key in changes:
        if key not in values:
            raise UserError(f"{path}: {of}.{key}: not a key of {entry}{settings.nearest(key, values)}")
    where = entry + (f" with {of}" if changes else "")
    return settings.validate(model, {**values, **changes}, where, path)


def encoder(study: dict, wanted: str, kind: str, spec: dict) -> str:
    """The encoder that stands for ``wanted`` in a study: itself, or the study's own ``speech`` or ``text`` (``kind``).

    Where a study substitutes, it does so for published weights (``spec`` has a source); descriptors such as eGeMAPS
    stay what they are.
    """
    return study[kind] if wanted == "study" or (study["substitute"] and "source" in spec) else wanted


def transcripts(study: dict, row: System) -> str:
    """The entry of ``transcripts:`` whose text a row reads in a study; empty where it reads none."""
    if not row.reads_text:
        return ""
    return study["transcripts"] if row.transcripts == "study" else row.transcripts


def load(path: str, study: str, system: str) -> System:
    """The settings of a system in a study, its changes applied, read from the settings file."""
    key = f"rows.{study}.{system}"
    values = settings.read(path, key)
    return settings.validate(settings_class(values["recipe"]), values, key, path)
