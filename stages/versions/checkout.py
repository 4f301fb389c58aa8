"""Files that came by git and DVC: Snakemake accepts them after a sync, and refuses them before."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ..config import settings
from ..runtime.errors import UserError
from ..workflow import snakemake_inside
from . import compiled

HOOK = """\
#!/bin/sh
[ "$3" = 1 ] && [ "$1" != "$2" ] || exit 0
python=.venv/bin/python
[ -x $python ] || python=python
exec $python -m stages.versions sync
"""


def sync() -> str:
    """Tell Snakemake that what git and DVC have checked out is current. Returns a sentence on what was done.

    Raises
    ------
    UserError
        A file differs from dvc.lock, and DVC's cache does not have it.
    """
    if not compiled.LOCK.exists():
        raise UserError("dvc.lock: no such file, so there is nothing to sync; run `make`")
    _dvc("checkout", "--quiet", check=False)
    stale = {name: entries for name, entries in raw_status().items() if not _only_away(name, entries)}
    if stale:
        first, entries = next(iter(stale.items()))
        raise UserError(
            f"{first}: {'; '.join(_changes(entries))}: {len(stale)} stages are not what dvc.lock says. Fetch what is"
            " missing with `dvc pull`, make what is stale with `dvc repro`, then sync; nothing was marked as current"
        )
    how = ("--touch", "--forceall", "--nolock", "--no-hooks", "--cores", "1", "--quiet", "all")
    command = [sys.executable, "-m", "snakemake", *how]
    done = subprocess.run(command, env=os.environ | {snakemake_inside.UNCHECKED: "1"}, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"snakemake --touch: {' '.join((done.stderr or done.stdout).split())}")
    return "Snakemake knows what DVC has checked out"


def hook() -> str:
    """Sync this clone after every ``git checkout`` of another commit. Returns a sentence on what was done.

    Raises
    ------
    UserError
        There is another post-checkout hook.
    """
    done = subprocess.run(["git", "rev-parse", "--git-path", "hooks"], capture_output=True, text=True)
    if done.returncode:
        raise UserError("hook: this folder is not a git repository; run `git init` first")
    path = Path(done.stdout.strip()) / "post-checkout"
    if path.exists() and path.read_text() != HOOK:
        raise UserError(f"{path}: a hook exists already; add this line to it: python -m stages.versions sync")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HOOK)
    path.chmod(0o755)
    return f"{path}: after every git checkout, DVC checks out its files and Snakemake is synced"


def raw_status() -> dict[str, list]:
    """The changes that ``dvc status`` reports, by stage; empty if everything is up to date."""
    return json.loads(_dvc("status", "--json").stdout or "{}")


def _only_away(name: str, entries: list) -> bool:
    """Whether the only change of a stage is that its raw files are not on this machine."""
    kinds = [(kind, change) for e in entries for kind, files in e.items() for change in files.values()]
    return name.startswith(tuple(compiled.INVENTORIES)) and set(kinds) <= {("changed deps", "deleted")}


def _changes(entries: list) -> list[str]:
    """The entries of a stage in ``dvc status`` as words."""
    found = []
    for entry in entries:
        for files in entry.values() if isinstance(entry, dict) else ():
            for name, change in files.items():
                keys = change.items() if isinstance(change, dict) else [(name, change)]
                found += [f"{key} is {what}" for key, what in keys]
    return found or [str(entry) for entry in entries]


def refuse_foreign() -> None:
    """Stop Snakemake if outputs came by DVC (clone, checkout, repro from its cache) without Snakemake's records.

    Without a record Snakemake takes an output for current whatever the parameters say; with one of another run it
    would make it again.

    Raises
    ------
    UserError
        With the remedy.
    """
    if "DVC_STAGE" in os.environ or snakemake_inside.UNCHECKED in os.environ:
        return
    if not (compiled.LOCK.exists() and compiled.FILE.exists()):
        return
    stages = settings.read(str(compiled.FILE), "")["stages"]
    for name, entry in settings.read(str(compiled.LOCK), "").get("stages", {}).items():
        if name not in stages or name.startswith((compiled.BOOKKEEPING, *compiled.INVENTORIES)):
            continue  # bookkeeping is brought up to date at every start
        for out in (out for out in entry.get("outs", []) if not compiled.in_git(out["path"])):
            if Path(out["path"]).exists() and _foreign(out, entry):
                raise UserError(
                    f"{out['path']}: came by DVC, not by a run in this folder, so Snakemake has no record of how it"
                    " was made; run `make sync` (python -m stages.versions sync), then go on"
                )


def _foreign(out: dict, entry: dict) -> bool:
    record = snakemake_inside.record(out["path"])
    if record is None:
        return True
    locked = entry.get("params", {})
    same_code = set(locked.get(compiled.CODE, {}).values()) <= {record.code}
    if same_code and locked.get(compiled.SETTINGS, {}) == record.reads:
        return False
    ours = abs(os.path.getmtime(out["path"]) - record.ended) <= 1
    return not ours and md5(out["path"]) == out["md5"]


def md5(path: str) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _dvc(*arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True)
    if check and done.returncode:
        lines = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(f"dvc {arguments[0]}: {' '.join(lines) or done.stderr.strip()}")
    return done
