"""What a report reads of its study: the evaluations of its systems, and their settings."""

import json
from pathlib import Path

from ..config import settings
from ..recipes import chain, system_config
from ..runtime import disk
from ..runtime.errors import UserError
from .report_data import Entry


def read_json(path: Path) -> dict:
    """The object in a JSON file.

    Raises
    ------
    UserError
        There is no such file, or it does not hold an object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage that makes it") from None
    except ValueError as fault:
        raise UserError(f"{path}: not valid JSON ({fault}); delete it and run again") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: not a JSON object; delete it and run again")
    return found


def evaluations(paths: list[Path], study: str, systems: list[str]) -> dict[str, dict]:
    """{system: what ``evaluate`` wrote} of a study; ``paths`` are the JSON files.

    Raises
    ------
    UserError
        One is not of this study, not of the CSV beside it, or was made with other settings than the rest.
    """
    found: dict[str, dict] = {}
    for path in paths:
        if path.suffix != ".json":
            raise UserError(f"{path}: --evaluations takes the JSON files; the CSV file of the same name is read too")
        one = read_json(path)
        if one.get("study") != study or one.get("system") not in systems:
            raise UserError(
                f"{path}: holds system '{one.get('system')}' of study '{one.get('study')}', which is not in study "
                f"'{study}'; leave it out or evaluate again"
            )
        if one["predictions_sha256"] != disk.sha256(path.with_suffix(".csv")):
            raise UserError(
                f"{path.with_suffix('.csv')}: not the predictions that {path.name} was computed from; evaluate again"
            )
        found[one["system"]] = one
    options = {json.dumps(one["options"], sort_keys=True) for one in found.values()}
    if len(options) > 1:
        raise UserError(
            f"evaluations of {study}: made with different settings of 'evaluate'; evaluate all of them again"
        )
    return found


def entry(params: str, study_name: str, study: dict, name: str, evaluation: dict | None) -> Entry:
    """The system ``name`` with its settings in this study; ``evaluation`` is None where it is missing."""
    row = system_config.load(params, study_name, name)
    own = {}
    for kind, wanted in row.encoders().items():
        spec = {} if wanted == "study" else settings.read(params, f"encoders.{wanted}")
        own[kind] = system_config.encoder(study, wanted, kind, spec)
    deviations = _deviations(params, study_name, study, name, row)
    missing = "" if evaluation else "its evaluation was not made; its job failed or was not run, see data/logs"
    return Entry(name, row, own, deviations, evaluation, missing, system_config.transcripts(study, row))


def _deviations(params: str, study_name: str, study: dict, name: str, row: system_config.System) -> list[str]:
    """What differs from the catalogue in a system's settings and in those of the stages behind it; then what is ours.

    Ours is what the paper leaves open, by the settings' models.
    """
    shipped, ours = settings.read(params, f"shipped.{study_name}"), settings.read(params, "ours")
    parts = [(name, f"systems.{name}", row.recipe, "", settings.read(params, f"rows.{study_name}.{name}"))]

    def entry_of(stage: str, entry: str) -> dict:
        found, known = settings.read(params, f"chains.{study_name}.{stage}.{entry}"), f"{stage}.{entry}"
        parts.append((known, known, stage, f"{stage}: ", found))
        return found

    chain.behind(row.starts_from, entry_of)
    different, chosen = [], []
    for known, where, kind, shown, now in parts:
        plain = settings.read(params, where) | shipped.get(known, {})
        keys = dict.fromkeys([*study["changes"].get(known, {}), *plain])
        different += [f"{shown}{key} {now[key]} for {plain[key]}" for key in keys if now[key] != plain[key]]
        chosen += [f"{shown}{key} {now[key]}" for key in ours.get(kind, []) if now[key] == plain[key]]
    return different + ([f"the paper leaves open: {', '.join(chosen)}"] if chosen else [])


def gates(paths: list[Path], params: str, study: dict, entries: list[Entry], manifest) -> dict[str, list[dict]]:
    """{system: what its gate closed}, of those that have one; ``paths``: the transcripts that systems read."""
    from ..metrics.gates import accounts

    found, rows = {}, {entry.name: entry.row for entry in entries}
    for entry in entries:
        units = ((entry.evaluation or {}).get("training") or {}).get("gates")
        if getattr(entry.row, "gate", 0) and units:
            said = system_config.transcripts(study, rows[entry.row.teacher])
            path = next((path for path in paths if path.stem == said), None)
            found[entry.name] = accounts(units, manifest, path and _word_errors(path, params, manifest))
    return found


def interactions(entries: list[Entry], csvs: dict[str, Path], tried: list[Path], manifest) -> list[dict]:
    """What the gates of systems that hear and read did (Gao 2024): one dictionary per system, gated or not.

    ``system``, ``interaction``, ``gate``, ``accounts`` (:func:`stages.metrics.modality_gates.accounts`), and ``gates``:
    {trial, '' for the study's own test part: {column: mean}}. ``csvs`` are the systems' predictions, ``tried`` the
    results of trials, each with a CSV of the same name.
    """
    from ..metrics import modality_gates
    from ..metrics.predictions import read_predictions

    found = []
    for entry in entries:
        row = entry.row
        if row.recipe != "cmgi" or not entry.evaluation or not row.audio or row.words == "none":
            continue
        own, columns = read_predictions(csvs[entry.name]), row.columns
        trials = {path.parent.name: path for path in tried if path.stem == entry.name} if columns else {}
        means = {name: read_predictions(path.with_suffix(".csv")) for name, path in trials.items()} | {"": own}
        found.append(
            {
                "system": entry.name,
                "interaction": row.interaction,
                "gate": row.gate,
                "accounts": modality_gates.accounts(own, manifest, columns),
                "gates": {name: modality_gates.condition(frame, columns) for name, frame in means.items()},
            }
        )
    return found


def _word_errors(path: Path, params: str, manifest) -> list[float | None] | None:
    """WER of every utterance's transcript in a file that is named as its entry of ``transcripts:``; None: gold."""
    from ..transcripts import rates, table, text

    source = settings.read(params, f"transcripts.{path.stem}")
    if source["kind"] == "gold":
        return None
    said = table.read_transcripts(path).set_index("utterance").reindex(manifest["utterance"]).fillna("")
    return text.error_rates(said["reference"].tolist(), said["text"].tolist(), rates.is_english(source))[0]
