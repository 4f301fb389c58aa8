"""How often the test part of a protocol was scored: one small file per system and distinct set of test predictions.

Scoring the same predictions again is not counted, for it is no new look at the test labels; any change of a prediction
is. Files are only added, so jobs can write at the same time.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from ..runtime import disk
from ..runtime.errors import UserError


def enter(folder: Path, study: str, system: str, digest: str) -> None:
    """Record that the predictions with this SHA-256 were scored."""
    path = folder / f"{study}.{system}.{digest[:16]}.json"
    if path.exists():
        return
    entry = {"study": study, "system": system, "predictions_sha256": digest}
    entry["time"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    with disk.writing(path) as temporary:
        temporary.write_text(json.dumps(entry) + "\n", encoding="utf-8")


def counts(folder: Path) -> dict[tuple[str, str], int]:
    """{(study, system): distinct sets of test predictions scored}; empty if there is no such folder.

    Raises
    ------
    UserError
        An entry is damaged.
    """
    found: dict[tuple[str, str], int] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            key = entry["study"], entry["system"]
        except (ValueError, KeyError, TypeError) as fault:
            raise UserError(f"{path}: not an entry of the ledger ({fault!r}); restore it or delete it") from None
        found[key] = found.get(key, 0) + 1
    return found
