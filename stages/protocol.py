"""Protocol: which utterance trains, validates and tests in each fold, and its label after the protocol's merges.

Speakers and sessions are never divided. Everything written is proven by the guards, and proven again whenever a
later stage reads the file. Columns: utterance, fold (from 1), role, reason (of ``out``), emotion (empty where it is
not one of the classes), group (what may not be divided, as ``speaker=03``).
"""

import collections
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, field_validator, model_validator

from stages import guards, jobs, settings
from stages.corpora import folds, readers
from stages.corpora.manifest import read_manifest
from stages.errors import UserError
from stages.settings import Section, nearest, setting

Group = Literal["speaker", "session"]


class _Labels(Section):
    classes: list[str] = Field([], description="emotion classes; empty: every one in the corpus")
    merge: dict[str, str] = Field({}, description="labels that count as another, from: to")

    @model_validator(mode="after")
    def _consistent(self):
        twice = [name for name in self.classes if self.classes.count(name) > 1]
        if twice:
            raise ValueError(f"classes: '{twice[0]}' stands twice; remove one")
        for source, target in self.merge.items():
            if source in self.classes:
                raise ValueError(f"classes: '{source}' is merged into '{target}'; remove it from classes or merge")
            if target in self.merge:
                raise ValueError(f"merge: '{source}' goes to '{target}', which is merged itself; name the last target")
            if self.classes and target not in self.classes:
                raise ValueError(f"merge: target '{target}' is not one of the classes; add it there")
        return self


class LeaveOneGroupOut(_Labels):
    """Each speaker or session is tested once; the next ones, cyclically, validate."""

    kind: Literal["leave-one-group-out"] = setting("leave-one-group-out", "rule by which utterances get their roles")
    by: Group = setting("session", "what is left out as a whole")
    validation: int = setting(1, "how many groups after the test group validate", ge=1)


class GroupFolds(_Labels):
    """Speakers or sessions in folds; each fold's groups are tested once, some of the next fold's validate."""

    kind: Literal["group-folds"] = setting("group-folds", "rule by which utterances get their roles")
    by: Group = setting("speaker", "what is kept whole")
    folds: int | list[list[str]] = setting(
        5,
        "how many folds, filled in the order of names with the sexes in balance, or the test groups of each fold",
    )
    validation: int = setting(2, "how many of the next fold's groups validate, the sexes in turn", ge=1)

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
            raise ValueError(f"'{twice[0]}' is tested in two folds; keep it in one")
        if len(value) < 2:
            raise ValueError("at least 2 folds are needed")
        return value


class Fixed(_Labels):
    """One fold; the roles are listed."""

    kind: Literal["fixed"] = setting("fixed", "rule by which utterances get their roles")
    by: Literal["split", "speaker", "session"] = setting("split", "column of the manifest that the lists speak of")
    train: list[str] = setting(["train"], "its values that train", min_length=1)
    val: list[str] = setting(["val"], "its values that validate", min_length=1)
    test: list[str] = setting(["test"], "its values that are tested", min_length=1)

    @model_validator(mode="after")
    def _apart(self):
        names = [*self.train, *self.val, *self.test]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' is listed twice in train, val and test; keep it in one")
        return self


Protocol = Annotated[LeaveOneGroupOut | GroupFolds | Fixed, Field(discriminator="kind")]
"""An entry of ``protocols:``, told apart by its key ``kind``."""


def load(name: str, params: str) -> Protocol:
    """The validated entry ``protocols.{name}`` of the parameter file."""
    key = f"protocols.{name}"
    return settings.adapt(TypeAdapter(Protocol), settings.read(params, key), key, params)


def fold_count(protocol: Protocol, corpus: readers.Corpus, name: str) -> int:
    """How many folds there will be, known before any stage has run (from the labels alone where need be)."""
    if isinstance(protocol, Fixed):
        return 1
    if isinstance(protocol, GroupFolds):
        return protocol.folds if isinstance(protocol.folds, int) else len(protocol.folds)
    found = readers.read(corpus, name)
    return len({row.get(protocol.by) for row in found.rows} - {None, ""})


def assign(protocol: Protocol, manifest, key: str):
    """The protocol's table for a manifest: one row per utterance and fold, as :mod:`stages.protocol` says.

    Raises
    ------
    UserError
        The manifest lacks the column's values, a group is unknown or left over, there are too few groups, or a class
        or merged label does not occur.
    """
    import pandas as pd

    group = manifest[protocol.by]
    if not (group != "").any():
        others = [name for name in ("speaker", "session", "split") if (manifest[name] != "").any()]
        hint = f"take one of: {', '.join(others)}" if others else "add speakers to the corpus' table"
        raise UserError(f"{key}.by: this corpus knows no {protocol.by}; {hint}")
    emotion = _emotions(protocol, manifest, key)
    tables = []
    for number, roles in enumerate(_folds(protocol, manifest, key), 1):
        role = group.map(roles).fillna("out")
        reason = pd.Series("", index=manifest.index)
        reason[role == "out"] = f"{protocol.by} '" + group[role == "out"] + "' has no role"
        reason[group == ""] = f"{protocol.by} unknown"
        columns = {"utterance": manifest["utterance"], "fold": number, "role": role, "reason": reason}
        tables.append(pd.DataFrame(columns | {"emotion": emotion, "group": f"{protocol.by}=" + group}))
    return pd.concat(tables, ignore_index=True)


def _emotions(protocol: Protocol, manifest, key: str):
    present = set(manifest["emotion"]) - {""}
    for source in protocol.merge:
        if source not in present:
            raise UserError(f"{key}.merge: no utterance is labelled '{source}'{nearest(source, present)}")
    merged = manifest["emotion"].replace(protocol.merge)
    classes = set(protocol.classes) or set(merged) - {""}
    for name in sorted(classes):
        if name not in set(merged):
            raise UserError(f"{key}.classes: no utterance is labelled '{name}'{nearest(name, set(merged) - {''})}")
    return merged.where(merged.isin(classes), "")


def _folds(protocol: Protocol, manifest, key: str) -> list[folds.Roles]:
    known = manifest[manifest[protocol.by] != ""]
    groups = sorted(set(known[protocol.by]), key=folds.natural)
    if isinstance(protocol, Fixed):
        roles = {name: role for role in ("train", "val", "test") for name in getattr(protocol, role)}
        _present(roles, groups, key, protocol.by)
        return [roles]
    tested = 1
    if isinstance(protocol, GroupFolds):
        sexes = {name: "/".join(sorted(set(rows["gender"]))) for name, rows in known.groupby(protocol.by)}
        if isinstance(protocol.folds, int):
            if protocol.folds > len(groups):
                raise UserError(
                    f"{key}.folds: {protocol.folds} folds of {len(groups)} {protocol.by}s; ask for fewer folds"
                )
            lists = folds.deal(sexes, protocol.folds)
        else:
            lists = protocol.folds
            listed = [name for fold in lists for name in fold]
            _present(listed, groups, f"{key}.folds", protocol.by)
            left = [name for name in groups if name not in set(listed)]
            if left:
                raise UserError(f"{key}.folds: {protocol.by} {', '.join(left)} is in no fold; add it to one")
        tested = max(len(fold) for fold in lists)
    if len(groups) - tested - protocol.validation < 1:
        raise UserError(
            f"{key}.validation: {tested} of {len(groups)} {protocol.by}s are tested and {protocol.validation} "
            "validate, which leaves none for training; lower it"
        )
    if isinstance(protocol, GroupFolds):
        return folds.group_folds(lists, sexes, protocol.validation)
    return folds.leave_one_out(groups, protocol.validation)


def _present(names, groups: list[str], key: str, by: str) -> None:
    for name in names:
        if name not in groups:
            raise UserError(f"{key}: this corpus has no {by} '{name}'{nearest(name, groups)}")


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of an entry of corpora:")
    parser.add_argument("--protocol", required=True, help="name of an entry of protocols:")
    parser.add_argument("--manifest", type=Path, required=True, help="input: the corpus' manifest")
    parser.add_argument("--out", type=Path, required=True, help="output: the protocol's CSV")


def main(args) -> None:
    protocol = load(args.protocol, args.params)
    manifest = read_manifest(args.manifest)
    key = f"{args.params}: protocols.{args.protocol}"
    table = assign(protocol, manifest, key)
    guards.check_protocol(manifest, table, f"protocols.{args.protocol} on corpus {args.corpus}")
    for fold, rows in table.groupby("fold"):
        counts = collections.Counter(rows["role"])
        jobs.log.info("fold %d: %s", fold, ", ".join(f"{role} {n}" for role, n in sorted(counts.items())))
    out = table[table["role"] == "out"].drop_duplicates(["utterance", "reason"])
    for reason, rows in out.groupby("reason"):
        jobs.log.warning("%d utterances are out: %s", len(rows), reason)
    with jobs.writing(args.out) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
