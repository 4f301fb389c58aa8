"""Assign whole speakers or sessions to folds and roles; the result depends only on their names."""

import collections
import re
from collections.abc import Mapping, Sequence, Set

from ..runtime.errors import UserError

Roles = dict[str, str]
"""Group name to role (train, val, test) in one fold."""


def natural(name: str) -> list:
    """Sorting key under which ``Ses2`` comes before ``Ses10``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", name)]


def leave_one_out(groups: Sequence[str], tested: str, validation: int, usable: Set[str]) -> Roles:
    """``tested`` tests; the first usable groups after it (in natural order, cyclically) validate.

    A group that is not ``usable`` trains; another rule excludes its utterances that may not.
    """
    ordered = sorted(groups, key=natural)
    place = ordered.index(tested)
    after = [name for name in ordered[place + 1 :] + ordered[:place] if name in usable]
    return _roles(ordered, [tested], after[:validation])


def deal(sexes: Mapping[str, str], count: int) -> list[list[str]]:
    """Groups in natural order, distributed in turn over ``count`` folds, one sex after the other.

    The second sex starts at the fold after the first one's last, so neither sexes nor sizes differ by more than
    one between folds. ``sexes`` maps group to sex (any other value counts as another sex).
    """
    folds: list[list[str]] = [[] for _ in range(count)]
    ordered = sorted(sexes, key=lambda group: (sexes[group], natural(group)))
    for i, group in enumerate(ordered):
        folds[i % count].append(group)
    return [sorted(fold, key=natural) for fold in folds]


def group_folds(tested: Sequence[Sequence[str]], sexes: Mapping[str, str], validation: int) -> list[Roles]:
    """One fold per list of test groups.

    Validation takes ``validation`` groups out of training: from the next fold's test groups (then the one after,
    cyclically), alternating the sexes while both remain, in the listed order of groups. With 0, all of the next
    fold's groups validate.
    """
    folds = []
    for i, test in enumerate(tested):
        following = [alternate(tested[(i + s) % len(tested)], sexes) for s in range(1, len(tested))]
        candidates = [group for fold in following for group in fold]
        folds.append(_roles(list(sexes), test, candidates[: validation or len(following[0])]))
    return folds


def alternate(groups: Sequence[str], sexes: Mapping[str, str]) -> list[str]:
    """``groups`` with the sexes in turn, beginning with the first group's; within a sex the order stays the same."""
    queues: dict[str, collections.deque] = {}
    for group in groups:
        queues.setdefault(sexes[group], collections.deque()).append(group)
    ordered = []
    while queues:
        for sex in list(queues):
            ordered.append(queues[sex].popleft())
            if not queues[sex]:
                del queues[sex]
    return ordered


def _roles(groups: Sequence[str], test: Sequence[str], val: Sequence[str]) -> Roles:
    return {g: "test" if g in set(test) else "val" if g in set(val) else "train" for g in groups}


def test_parts(named: Mapping[str, str], group, role, key: str):
    """The name of the test part that each utterance is in; empty where it is not tested, or its part has no name.

    ``named`` is {group: part}, ``group`` and ``role`` are columns of a protocol's table.

    Raises
    ------
    UserError
        No utterance of a part is left; the message begins with ``key``.
    """
    parts = group.map(named).fillna("").where(role == "test", "")
    for name in sorted(set(named.values())):
        if not ((role == "test") & (parts == name)).any():
            raise UserError(f"{key}.test.{name}: no utterance of it is left to test; select more in where")
    return parts
