"""The definitions of protocols: entries of ``protocols:``, each a rule with its label policy and expected counts.

A definition selects by columns of the manifest and by columns that it derives from them, so it works with any reader.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, field_validator, model_validator

from ..config import settings
from ..config.settings import Section, setting

Group = Literal["speaker", "session"]
Leak = Literal["speaker", "dialogue", "audio"]
_COUNTED = re.compile(r"utterances|speakers|\w+=[^=,]+(,\w+=[^=,]+)*")


class _Protocol(Section):
    version: int = Field(1, description="of this definition, raised when it changes; in every report", ge=1)
    about: str = Field("", description="what it is and who uses it; in every report")
    classes: list[str] = Field([], description="emotion classes; empty: every one in the corpus")
    merge: dict[str, str] = Field({}, description="labels that count as another, from: to")
    unlabelled: Literal["keep", "out"] = Field(
        "keep", description="utterances of no class, or without agreement: kept for other tasks, or out"
    )
    where: dict[str, list[str]] = Field(
        {}, description="column: its values; all other utterances are out. Numbers match as numbers"
    )
    derive: dict[str, list[str]] = Field(
        {}, description="new column: [column, regular expression whose group is the value]"
    )
    apart: list[str] = Field(
        [], description="columns (text: its words) of which test shares no value; what shares one is not trained on"
    )
    leaks: list[Leak] = Field([], description="what it divides between roles on purpose; marks every result")
    expect: dict[str, int] = Field(
        {}, description="what is counted: utterances, by 'utterances', 'speakers' or 'role=test,emotion=sad'"
    )
    departures: dict[str, str] = Field({}, description="count of expect that this corpus misses: the reason")
    training: int = Field(
        0, description="training utterances kept in every fold, a random sample of each class; 0: all", ge=0
    )
    training_seed: int = Field(1, description="of that sample; a smaller one is part of a larger one", ge=0)

    @model_validator(mode="after")
    def _consistent(self):
        twice = [name for name in self.classes if self.classes.count(name) > 1]
        if twice:
            raise ValueError(f"classes: '{twice[0]}' occurs twice; remove one")
        for source, target in self.merge.items():
            if source in self.classes:
                raise ValueError(f"classes: '{source}' is merged into '{target}'; remove it from classes or merge")
            if target in self.merge:
                raise ValueError(f"merge: '{source}' becomes '{target}', which is merged too; name the final label")
            if self.classes and target not in self.classes:
                raise ValueError(f"merge: target '{target}' is not one of the classes; add it there")
        return self

    @model_validator(mode="after")
    def _derivable(self):
        for name, rule in self.derive.items():
            if len(rule) != 2:
                raise ValueError(f"derive.{name}: give [column, regular expression]")
            try:
                groups = re.compile(rule[1]).groups
            except re.error as fault:
                raise ValueError(f"derive.{name}: '{rule[1]}' is not a regular expression ({fault})") from None
            if groups != 1:
                raise ValueError(f"derive.{name}: '{rule[1]}' has {groups} groups; put the value in one (...)")
        both = sorted(set(self.apart) & set(self.leaks))
        if both:
            raise ValueError(f"leaks: '{both[0]}' is in apart too; remove it from one of them")
        return self

    @model_validator(mode="after")
    def _countable(self):
        for name in self.expect:
            if not _COUNTED.fullmatch(name):
                raise ValueError(
                    f"expect: '{name}' is not utterances, speakers or COLUMN=VALUE,COLUMN=VALUE; correct it"
                )
        for name, reason in self.departures.items():
            if name not in self.expect:
                raise ValueError(f"departures: '{name}' is not in expect{settings.nearest(name, self.expect)}")
            if not reason.strip():
                raise ValueError(f"departures: '{name}' has no reason; state one")
        return self


class LeaveOneGroupOut(_Protocol):
    """Each speaker or session is tested once; the next ones, cyclically, validate."""

    kind: Literal["leave-one-group-out"] = setting("rule by which utterances get their roles")
    by: Group = setting("what is left out as a whole")
    validation: int = setting("how many groups after the test group validate", ge=1)
    parts: int = Field(
        1, description="folds per group; each tests its share of the values of apart's first column", ge=1
    )

    @model_validator(mode="after")
    def _shared_out(self):
        if self.parts > 1 and not self.apart:
            raise ValueError(f"parts: {self.parts} folds per group divide a column's values; name it in apart")
        return self


class GroupFolds(_Protocol):
    """Speakers or sessions in folds; each fold's groups are tested once, some of the next fold's validate."""

    kind: Literal["group-folds"] = setting("rule by which utterances get their roles")
    by: Group = setting("what is kept whole")
    folds: int | list[list[str]] = setting(
        "how many folds, filled in the order of names with the sexes in balance, or the test groups of each fold",
    )
    validation: int = setting("how many of the next fold's groups validate, the sexes in turn; 0: all of them", ge=0)

    @field_validator("folds", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 3:
                raise ValueError("at least 3 folds are needed for three roles")
            return value
        whole = isinstance(value, list) and all(isinstance(f, list) and f for f in value)
        if not whole or not all(isinstance(name, str) for fold in value for name in fold):
            raise ValueError("give a number of folds, or a list of lists of names (numbers in quotes: '01')")
        names = [name for fold in value for name in fold]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' is tested in two folds; remove it from one")
        if len(value) < 2:
            raise ValueError("at least 2 folds are needed")
        return value


class Fixed(_Protocol):
    """One fold; the roles are listed."""

    kind: Literal["fixed"] = setting("rule by which utterances get their roles")
    by: Literal["split", "speaker", "session"] = setting("column of the manifest that the lists speak of")
    train: list[str] = setting("its values that train", min_length=1)
    val: list[str] = setting("its values that validate", min_length=1)
    test: list[str] | dict[str, list[str]] = setting(
        "its values that are tested; or parts, each by its name with its values, which are scored apart"
    )

    @property
    def tested(self) -> dict[str, str]:
        """{tested value: the name of its part}, '' where the parts have none."""
        named = self.test if isinstance(self.test, dict) else {"": self.test}
        return {value: part for part, values in named.items() for value in values}

    @model_validator(mode="after")
    def _parts(self):
        named = self.test if isinstance(self.test, dict) else {"": self.test}
        if not named or not all(named.values()):
            raise ValueError("test: is empty, or one of its parts is; name values to test")
        for part in filter(None, named):
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", part):
                raise ValueError(f"test: '{part}': a part's name has only lower-case letters, digits, '-' and '_'")
        return self

    @model_validator(mode="after")
    def _apart(self):
        tested = self.test.values() if isinstance(self.test, dict) else [self.test]
        names = [*self.train, *self.val, *(name for values in tested for name in values)]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' is listed twice in train, val and test; keep it in one")
        return self


class RandomFolds(_Protocol):
    """Utterances in random folds, class by class, for comparison. It divides speakers; ``leaks`` must say so."""

    kind: Literal["random-folds"] = setting("rule by which utterances get their roles")
    folds: int = setting("how many folds", ge=3)
    validation: int = setting("one in so many of the next fold's utterances validates", ge=1)
    seed: int = setting("of the dealing", ge=0)


def columns(values: dict) -> set[str]:
    """The manifest columns that the entry ``values`` of ``protocols:`` names, without those that it derives."""
    used = {values["by"]} if "by" in values else set()
    used |= {*values.get("where", {}), *values.get("apart", ())}
    counted = [what for what in values.get("expect", {}) if "=" in what]
    used |= {condition.partition("=")[0] for what in counted for condition in what.split(",")} - {
        "fold",
        "role",
        "part",
    }
    return used - set(values.get("derive", {})) | {rule[0] for rule in values.get("derive", {}).values()}


Protocol = Annotated[LeaveOneGroupOut | GroupFolds | Fixed | RandomFolds, Field(discriminator="kind")]
"""An entry of ``protocols:``, selected by its key ``kind``."""


def load(name: str, params: str) -> Protocol:
    """The validated entry ``protocols.{name}`` of the parameter file."""
    key = f"protocols.{name}"
    return settings.adapt(TypeAdapter(Protocol), settings.read(params, key), key, params)
