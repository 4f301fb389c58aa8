"""Give every utterance of a manifest its role in each fold of a protocol, and check the expected counts."""

from ..config.settings import nearest
from ..corpora.agreement import agreement
from ..runtime.errors import UserError
from . import folds, labels, sampling
from .config import Fixed, GroupFolds, LeaveOneGroupOut, Protocol, RandomFolds

LEAST = 3
"""Groups that a protocol needs: one each to train, to validate and to test."""
COLUMNS = ("utterance", "fold", "role", "reason", "emotion", "group", "apart", "leaks", "part")


def assign(protocol: Protocol, manifest, key: str):
    """The protocol's table for a manifest, with :data:`COLUMNS`: one row per utterance and fold.

    Raises
    ------
    UserError
        The manifest lacks a column or its values, a group is unknown or in no fold, there are too few groups or
        training utterances, a class or merged label does not occur, or no utterance is selected.
    """
    import pandas as pd

    manifest = derived(protocol, manifest, key)
    outside = _outside(protocol, manifest, key)
    emotion = labels.emotions(protocol, manifest, manifest["emotion"][outside == ""], key)
    if protocol.unlabelled == "out":
        label = manifest["emotion"].where(manifest["emotion"] == "", "'" + manifest["emotion"] + "'")
        without = "of no class: " + label.replace("", "no label, or no agreement")
        outside = outside.mask((outside == "") & (emotion == ""), without)
    shares = {name: _values(manifest, name, f"{key}.apart") for name in protocol.apart}
    apart = _joined(shares, manifest.index)
    by = "sha256" if isinstance(protocol, RandomFolds) else protocol.by
    group = manifest[by]
    if not (group != "").any():
        others = [name for name in ("speaker", "session", "split") if (manifest[name] != "").any()]
        hint = f"use one of: {', '.join(others)}" if others else "add speakers to the corpus' table"
        raise UserError(f"{key}.by: this corpus has no {by}; {hint}")
    used = manifest[outside == ""]
    tables = []
    for roles, part in _folds(protocol, used, emotion, {n: v[used.index] for n, v in shares.items()}, key):
        role = group.map(roles).fillna("out")
        reason = pd.Series("", index=manifest.index)
        reason[role == "out"] = f"{by} '" + group[role == "out"] + "' has no role"
        reason[group == ""] = f"{by} unknown"
        role = role.where(outside == "", "out")
        reason = reason.where(outside == "", outside)
        if part is not None:
            elsewhere = (role == "test") & ~shares[protocol.apart[0]].isin(part)
            role, reason = role.mask(elsewhere, "out"), reason.mask(elsewhere, "tested in another fold of its group")
        for name, values in shares.items():
            tested = set(values[role == "test"]) - {""}
            shared = role.isin(["train", "val"]) & values.isin(tested)
            role, reason = role.mask(shared, "out"), reason.mask(shared, f"{name} shared with test")
        if protocol.training:
            train = role == "train"
            where = f"{key}.training: fold {len(tables) + 1}"
            kept = sampling.kept(protocol, manifest["utterance"][train], emotion[train], where)
            beyond = train & ~manifest["utterance"].isin(kept)
            unkept = f"not among the {protocol.training:,} training utterances that are kept"
            role, reason = role.mask(beyond, "out"), reason.mask(beyond, unkept)
        columns = {"utterance": manifest["utterance"], "fold": len(tables) + 1, "role": role, "reason": reason}
        columns |= {"emotion": emotion, "group": f"{by}=" + group, "apart": apart, "leaks": " ".join(protocol.leaks)}
        columns |= {"part": folds.test_parts(protocol.tested, group, role, key) if isinstance(protocol, Fixed) else ""}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def derived(protocol: Protocol, manifest, key: str):
    """The manifest with the columns that the protocol derives, empty where the expression does not match.

    It adds ``agreement``, the largest share of the raters' votes, if known.
    """
    made = {}
    if "agreement" not in manifest and (shares := agreement(manifest)) is not None:
        made["agreement"] = shares
    for name, (source, expression) in protocol.derive.items():
        _known(manifest, source, f"{key}.derive.{name}")
        made[name] = manifest[source].str.extract(expression, expand=False).fillna("")
        if not (made[name] != "").any():
            first = manifest[source].iloc[0]
            raise UserError(f"{key}.derive.{name}: '{expression}' matches no {source} ('{first}' ...); correct it")
    return manifest.assign(**made)


def _known(manifest, name: str, key: str) -> None:
    if name not in manifest.columns:
        raise UserError(f"{key}: this corpus' manifest has no column '{name}'{nearest(name, manifest.columns)}")


def _values(manifest, name: str, key: str):
    """The values that ``apart`` compares: a column unchanged, but only the words of ``text``."""
    from ..transcripts.text import words

    _known(manifest, name, key)
    if not (manifest[name] != "").any():
        raise UserError(f"{key}: this corpus' column '{name}' is empty; take it out of the list")
    return manifest[name].map(lambda text: " ".join(words(text))) if name == "text" else manifest[name]


def _joined(shares: dict, index):
    """``column=value`` of every column kept apart, in the format that the guards read."""
    import pandas as pd

    if not shares:
        return pd.Series("", index=index)
    rows = zip(*(values.str.replace(";", " ") for values in shares.values()), strict=True)
    texts = ["; ".join(f"{name}={value}" for name, value in zip(shares, row, strict=True)) for row in rows]
    return pd.Series(texts, index=index)


def _outside(protocol: Protocol, manifest, key: str):
    """Why an utterance is not selected; empty if it is."""
    import pandas as pd

    reason = pd.Series("", index=manifest.index)
    for name, wanted in protocol.where.items():
        _known(manifest, name, f"{key}.where")
        kept = _matches(manifest[name], wanted)
        if not kept.any():
            raise UserError(
                f"{key}.where.{name}: no utterance has one of: {', '.join(wanted)}"
                f"{nearest(wanted[0] if wanted else '', sorted(set(manifest[name].map(str)))[:20])}"
            )
        reason[~kept] = f"{name} '" + manifest[name][~kept].map(str) + "' is not selected"
    if (reason != "").all():
        raise UserError(f"{key}: no utterance is selected; select more in where")
    return reason


def _matches(column, wanted: list[str]):
    """Which entries are in ``wanted``, compared as text, or as numbers if both are numbers."""
    import pandas as pd

    same_text = column.map(str).isin(wanted)
    numbers = pd.to_numeric(pd.Series(wanted, dtype=str), errors="coerce").dropna()
    return same_text | pd.to_numeric(column.map(str), errors="coerce").isin(set(numbers))


def _folds(protocol: Protocol, manifest, emotion, shares: dict, key: str) -> list[tuple[folds.Roles, set | None]]:
    """For each fold, the role of each group and the tested values of apart's first column (None: all)."""
    if isinstance(protocol, RandomFolds):
        return [(roles, None) for roles in sampling.random_folds(protocol, manifest, emotion)]
    known = manifest[manifest[protocol.by] != ""]
    groups = sorted(set(known[protocol.by]), key=folds.natural)
    if isinstance(protocol, Fixed):
        roles = {name: role for role in ("train", "val") for name in getattr(protocol, role)}
        roles |= dict.fromkeys(protocol.tested, "test")
        _present(roles, groups, key, protocol.by)
        return [(roles, None)]
    tested = 1
    if isinstance(protocol, GroupFolds):
        sexes = {name: "/".join(sorted(set(rows["gender"]))) for name, rows in known.groupby(protocol.by)}
        if isinstance(protocol.folds, int):
            if protocol.folds > len(groups) >= LEAST:
                raise UserError(
                    f"{key}.folds: {protocol.folds} folds of {len(groups)} {protocol.by}s; "
                    f"ask for {len(groups)} at most"
                )
            _enough(groups, protocol.by, key)
            lists = folds.deal(sexes, protocol.folds)
        else:
            lists = protocol.folds
            listed = [name for fold in lists for name in fold]
            _present(listed, groups, f"{key}.folds", protocol.by)
            left = [name for name in groups if name not in set(listed)]
            if left:
                raise UserError(f"{key}.folds: {protocol.by} {', '.join(left)} is in no fold; add it to one")
        tested = max(len(fold) for fold in lists)
    validating = protocol.validation or tested
    _enough(groups, protocol.by, key)
    if len(groups) - tested - validating < 1:
        most = len(groups) - tested - 1
        remedy = f"validate with {most} at most" if most > 0 else "test fewer in a fold: ask for more folds"
        raise UserError(
            f"{key}.validation: {tested} of {len(groups)} {protocol.by}s test and {validating} "
            f"validate, so none is left for training; {remedy}"
        )
    if isinstance(protocol, GroupFolds):
        return [(roles, None) for roles in folds.group_folds(lists, sexes, protocol.validation)]
    return _left_out(protocol, known, groups, {n: v[known.index] for n, v in shares.items()}, key)


def _enough(groups: list[str], by: str, key: str) -> None:
    """Refuse fewer groups than there are roles."""
    if len(groups) < LEAST:
        raise UserError(
            f"{key}.by: three {by}s are needed, to train, to validate and to test, and this corpus has {len(groups)}: "
            f"{', '.join(groups)}; add recordings of others, or divide by something else, as utterances at random"
            " (kind: random-folds, leaks: [speaker])"
        )


def _left_out(protocol: LeaveOneGroupOut, known, groups: list[str], shares: dict, key: str):
    parts: list[set | None] = [None]
    if protocol.parts > 1:
        values = sorted(set(shares[protocol.apart[0]]) - {""}, key=folds.natural)
        if len(values) < protocol.parts:
            raise UserError(f"{key}.parts: {protocol.apart[0]} has {len(values)} values; ask for fewer parts")
        parts = [set(values[i :: protocol.parts]) for i in range(protocol.parts)]
        parts[0] |= {""}
    assigned = []
    for group in groups:
        for part in parts:
            usable = set(groups) - {group}
            if part is None:
                usable &= _apart_from(known, protocol.by, group, shares)
            if len(usable) <= protocol.validation:
                raise UserError(
                    f"{key}.apart: all but {len(usable)} {protocol.by}s share {' or '.join(shares)} with '{group}', "
                    "which leaves too few for training and validation; set parts to divide the test values"
                )
            assigned.append((folds.leave_one_out(groups, group, protocol.validation, usable), part))
    return assigned


def _apart_from(known, by: str, group: str, shares: dict) -> set[str]:
    """Groups with an utterance that shares no value with ``group``."""
    import pandas as pd

    in_group = known[by] == group
    shared = pd.Series(False, index=known.index)
    for values in shares.values():
        shared |= values.isin(set(values[in_group]) - {""})
    return set(known.loc[~shared, by])


def _present(names, groups: list[str], key: str, by: str) -> None:
    for name in names:
        if name not in groups:
            raise UserError(f"{key}: this corpus has no {by} '{name}'{nearest(name, groups)}")


def counted(what: str, table, manifest, key: str) -> int:
    """One count of ``expect``: distinct utterances (or speakers) in use that meet every condition.

    ``table`` is the protocol's; ``manifest`` has the derived columns.
    """
    rows = table[table["role"] != "out"]
    if what == "speakers":
        return len(set(manifest.loc[manifest["utterance"].isin(rows["utterance"]), "speaker"]) - {""})
    if what != "utterances":
        for condition in what.split(","):
            name, _, value = condition.partition("=")
            if name in ("fold", "role", "emotion", "part"):
                rows = rows[rows[name].map(str) == value]
            else:
                _known(manifest, name, f"{key}.expect: '{what}'")
                rows = rows[rows["utterance"].isin(manifest.loc[_matches(manifest[name], [value]), "utterance"])]
    return rows["utterance"].nunique()


def departures(protocol: Protocol, table, manifest, key: str) -> list[dict]:
    """Counts that differ from ``expect``, each with its declared reason: ``what, expected, found, reason``.

    Raises
    ------
    UserError
        A difference has no reason.
    """
    manifest = derived(protocol, manifest, key)
    found = []
    for what, expected in protocol.expect.items():
        count = counted(what, table, manifest, key)
        if count == expected:
            continue
        if what not in protocol.departures:
            raise UserError(
                f"{key}.expect: {what}: {count} found, {expected} expected; complete the corpus, or state the "
                f"reason: departures: {{'{what}': ...}}"
            )
        found.append({"what": what, "expected": expected, "found": count, "reason": protocol.departures[what]})
    return found


def rule(protocol: Protocol) -> list[str]:
    """The definition's labels, selection and separation, in words."""
    merges = "; ".join(f"{source} counts as {target}" for source, target in protocol.merge.items())
    classes = ", ".join(protocol.classes) if protocol.classes else "every class of the corpus"
    without = {"keep": "utterances of no class are kept for other tasks", "out": "utterances of no class are out"}
    lines = ["; ".join(filter(None, [classes, merges, without[protocol.unlabelled]]))]
    lines += [f"only {name} {' or '.join(values)}" for name, values in protocol.where.items()]
    lines += [f"test shares no {name} with training or validation" for name in protocol.apart]
    if protocol.training:
        drawn = f"drawn class by class with seed {protocol.training_seed}"
        lines.append(f"{protocol.training:,} training utterances of each fold, {drawn}")
    return lines
