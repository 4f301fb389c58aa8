"""Checks of splits and fits: when a protocol is made, and whenever its file is read.

Pure functions of data frames as :mod:`stages.corpora.manifest` reads them.
"""

from collections.abc import Iterable

from ..runtime.errors import UserError
from ..runtime.reporting import log

ROLES = ("train", "val", "test", "out")
AUDIO = "sha256"


def check_protocol(manifest, protocol, where: str) -> None:
    """Check a protocol against its manifest.

    Every utterance has one known role in every fold and ``out`` states its reason; train, val and test are non-empty;
    no speaker, no dialogue (where the manifest knows them), no group that the protocol keeps whole (column ``group``)
    and no audio (``sha256``) is in two roles of a fold, and test shares nothing that the protocol keeps apart (column
    ``apart``, as sentences) with training or validation, all but what the column ``leaks`` declares; with several
    folds every utterance is tested exactly once; named test parts hold every test row, and no other; labels are the
    manifest's, merged the same way everywhere; every class occurs in every fold's training part.

    Raises
    ------
    UserError
        A check fails; the message names ``where``, the fold and the first utterances concerned.
    """
    _complete(manifest, protocol, where)
    columns = ["utterance", "speaker", "session", "split", AUDIO, *(["dialogue"] if "dialogue" in manifest else [])]
    allowed = leaks(protocol)
    used = protocol[protocol["role"] != "out"].merge(manifest[columns], on="utterance")
    for fold in sorted(protocol["fold"].unique()):
        roles = set(used.loc[used["fold"] == fold, "role"])
        for role in ("train", "val", "test"):
            if role not in roles:
                raise UserError(f"{where}: fold {fold}: role {role} is empty; give it speakers or sessions")
    for column, name, remedy in (
        ("speaker", "speaker", "a speaker's utterances belong in one role, or the protocol declares leaks: [speaker]"),
        ("dialogue", "dialogue", "keep it in one with apart: [dialogue], or declare leaks: [dialogue]"),
        (AUDIO, "audio", "these are the same audio: remove one, or keep both in one role"),
    ):
        if name not in allowed and column in used:
            undivided(used, column, where, remedy, column == AUDIO)
    _groups(used, where, allowed)
    _apart(used, where)
    _parts(protocol, where)
    _tested_once(protocol, where)
    _labels(manifest, protocol, where)


def _complete(manifest, protocol, where: str) -> None:
    bad = protocol[~protocol["role"].isin(ROLES)]
    if len(bad):
        raise UserError(
            f"{where}: {named(bad)}: role '{bad['role'].iloc[0]}' is not one of {', '.join(ROLES)}; correct it"
        )
    bad = protocol[(protocol["role"] == "out") & (protocol["reason"] == "")]
    if len(bad):
        raise UserError(f"{where}: {named(bad)}: out without a reason; fill the column reason")
    bad = protocol[protocol.duplicated(["utterance", "fold"])]
    if len(bad):
        raise UserError(
            f"{where}: fold {bad['fold'].iloc[0]}: {named(bad)}: occurs twice; run the stage protocol again"
        )
    whole = set(manifest["utterance"])
    bad = protocol[~protocol["utterance"].isin(whole)]
    if len(bad):
        raise UserError(f"{where}: {named(bad)}: not in the manifest; run the stage protocol again")
    for fold, rows in protocol.groupby("fold"):
        if len(rows) < len(whole):
            missing = sorted(whole - set(rows["utterance"]))
            raise UserError(f"{where}: fold {fold}: {named(missing)}: has no row; run the stage protocol again")


def undivided(used, column: str, where: str, remedy: str, name_all: bool = False) -> None:
    """No value of ``column`` is in two roles of one fold; it skips empty values."""
    known = used[used[column] != ""]
    bad = known[known.groupby(["fold", column])["role"].transform("nunique") > 1]
    if not len(bad):
        return
    first = bad.iloc[0]
    rows = bad[(bad["fold"] == first["fold"]) & (bad[column] == first[column])]
    what = "audio" if column == AUDIO else f"{column} {first[column]}"
    one_each = rows if name_all else rows.drop_duplicates("role")
    places = ", ".join(f"{u} in {r}" for u, r in zip(one_each["utterance"][:4], one_each["role"][:4], strict=True))
    raise UserError(f"{where}: fold {first['fold']}: {what} is in two roles ({places}); {remedy}")


def _parts(protocol, where: str) -> None:
    """Rows in a named test part (column ``part``) are tested, and where there are such parts, every test row is."""
    if "part" not in protocol or not (protocol["part"] != "").any():
        return
    bad = protocol[(protocol["part"] != "") != (protocol["role"] == "test")]
    if len(bad):
        role, part = bad["role"].iloc[0], bad["part"].iloc[0] or "none"
        raise UserError(f"{where}: {named(bad)}: role {role} and test part {part}; run the stage protocol again")


def parts(protocol) -> list[str]:
    """The names of the test parts, sorted; none where they have no names."""
    return sorted(set(protocol["part"]) - {""}) if "part" in protocol else []


def leaks(protocol) -> list[str]:
    """What the protocol divides between roles on purpose (column ``leaks``); empty for an older file."""
    return sorted({name for text in set(protocol["leaks"]) for name in text.split()}) if "leaks" in protocol else []


def watermark(protocol) -> str:
    """The mark on every result of a leaky protocol; empty for all others."""
    divided = [{"speaker": "speakers", "dialogue": "dialogues"}.get(name, name) for name in leaks(protocol)]
    return f"leaky protocol: test shares {' and '.join(divided)} with training" if divided else ""


def _apart(used, where: str) -> None:
    """Test shares no value that the column ``apart`` names with training or validation of its fold."""
    if "apart" not in used:
        return
    for fold, rows in used[used["apart"] != ""].groupby("fold"):
        values = rows["apart"].str.split("; ")
        for i in range(int(values.str.len().max())):
            valued = rows.assign(value=values.str[i].fillna(""))
            valued = valued[valued["value"].str.partition("=")[2] != ""]
            tested = valued[valued["role"] == "test"].drop_duplicates("value").set_index("value")["utterance"]
            bad = valued[(valued["role"] != "test") & valued["value"].isin(tested.index)]
            if len(bad):
                first = bad.iloc[0]
                raise UserError(
                    f"{where}: fold {fold}: '{first['value']}' is in test ({tested[first['value']]}) and in "
                    f"{first['role']} ({named(bad[bad['value'] == first['value']])}); the protocol keeps it apart: "
                    "run the stage protocol again"
                )


def _groups(used, where: str, allowed: list[str]) -> None:
    """Every row's group equals the manifest's, and no group is in two roles of one fold."""
    if "group" not in used:
        return
    for by, rows in used.groupby(used["group"].str.partition("=")[0]):
        if by not in ("speaker", "session", "split", AUDIO):
            raise UserError(f"{where}: {named(rows)}: group '{by}=' is unknown; run the stage protocol again")
        bad = rows[rows["group"] != f"{by}=" + rows[by]]
        if len(bad):
            raise UserError(
                f"{where}: {named(bad)}: {bad['group'].iloc[0]}, but the manifest says {by}={bad[by].iloc[0]}; "
                "run the stage protocol again"
            )
    if not set(used["group"].str.partition("=")[0]) & set(allowed):
        undivided(used, "group", where, "the protocol keeps it whole")


def _tested_once(protocol, where: str) -> None:
    if protocol["fold"].nunique() == 1:
        return
    tested = (protocol["role"] == "test").groupby(protocol["utterance"]).sum()
    used = (protocol["role"] != "out").groupby(protocol["utterance"]).any()
    bad = tested[(tested != 1) & used]
    if len(bad):
        raise UserError(f"{where}: {named(bad.index)}: tested in {bad.iloc[0]} folds; pooled metrics need exactly one")


def _labels(manifest, protocol, where: str) -> None:
    joined = protocol.merge(manifest[["utterance", "emotion"]], on="utterance", suffixes=("", "_manifest"))
    counts = joined.value_counts(["emotion_manifest", "emotion"]).reset_index()
    usual = counts.drop_duplicates("emotion_manifest").set_index("emotion_manifest")["emotion"]
    bad = joined[joined["emotion"] != joined["emotion_manifest"].map(usual)]
    if len(bad):
        row = bad.iloc[0]
        raise UserError(
            f"{where}: fold {row['fold']}: {named(bad)}: labelled '{row['emotion']}', where the manifest's "
            f"'{row['emotion_manifest']}' is '{usual[row['emotion_manifest']]}' elsewhere; run the stage protocol again"
        )
    classes = set(protocol["emotion"]) - {""}
    for (fold, role), rows in protocol.groupby(["fold", "role"]):
        missing = sorted(classes - set(rows["emotion"]))
        if missing and role == "train":
            raise UserError(f"{where}: fold {fold}: no training utterance of class '{missing[0]}'; merge or drop it")
        if missing and role in ("val", "test"):
            log.info("%s: fold %s: %s has no utterance of: %s", where, fold, role, ", ".join(missing))


def fit_scope(seen: Iterable[str], protocol, fold: int, what: str) -> None:
    """Refuse a fit (normaliser, clustering, regression, temperature ...) that used utterances that it may not use.

    Parameters
    ----------
    seen
        Ids of the utterances that the fit used.
    protocol
        The protocol's table; a fit may use only training and validation utterances of ``fold``.
    what
        What was fitted, for the message.
    """
    rows = protocol[protocol["fold"] == fold]
    allowed = set(rows.loc[rows["role"].isin(["train", "val"]), "utterance"])
    bad = sorted(set(seen) - allowed)
    if bad:
        role = rows.loc[rows["utterance"] == bad[0], "role"]
        kind = f"a {role.iloc[0]} utterance" if len(role) else "not in the protocol"
        raise UserError(f"{what}: fold {fold}: fitted on {named(bad)}, which is {kind}; fit it on training rows only")


def named(rows, limit: int = 3) -> str:
    """The first utterances, and how many more there are."""
    names = list(dict.fromkeys(rows["utterance"] if hasattr(rows, "columns") else rows))
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(str, names[:limit])) + more
