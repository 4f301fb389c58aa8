"""Versions of everything: the workflow under DVC.

python -m stages.versions compile          write dvc.yaml from the Snakefile, stages/catalogue/ and params.yaml
python -m stages.versions sync             after git checkout, dvc checkout or pull: tell Snakemake what is current
python -m stages.versions why [STUDY...]   what is stale and why; jobs and disk space of the next run
python -m stages.versions compare REV      metrics here against those of a commit, paired, with intervals
python -m stages.versions hook             sync after every git checkout in this clone

For the Snakefile and the stages of dvc.yaml:

python -m stages.versions commit           record the last run in dvc.lock, if that failed
python -m stages.versions page             write the page in which `dvc plots` draws without a network
python -m stages.versions settings         resolve the settings, digest the code; refuses where dvc.yaml is stale
python -m stages.versions inventory SECTION NAME
python -m stages.versions job RULE OUTPUT...
"""

import sys

from ..runtime.errors import UserError


def main(arguments: list[str]) -> None:
    command, *rest = arguments or ["--help"]
    try:
        if command in ("-h", "--help"):
            print(__doc__.strip())
        elif command == "job" and len(rest) > 1:
            from . import runs

            runs.job(rest[0], rest[1:])
        elif command == "inventory" and len(rest) == 2:
            from ..parameters import whole
            from ..raw_inputs import inventories

            inventories.update(*rest, whole.load()[rest[0]][rest[1]])
        elif command == "compare" and len(rest) == 1:
            from . import compare

            compare.show(rest[0])
        elif command == "why":
            print(_plain(command, rest), end="")
        elif command in ("compile", "commit", "page", "settings", "sync", "hook") and not rest:
            print(_plain(command) or "", end="")
        else:
            raise UserError(f"{' '.join(arguments)}: unknown; python -m stages.versions --help lists the commands")
    except UserError as mistake:
        sys.exit(f"error: {mistake}")


def _plain(command: str, studies: list[str] | None = None) -> str | None:
    try:
        from . import checkout, runs
    except ModuleNotFoundError as missing:
        raise UserError(f"no module '{missing.name}' here: `source .venv/bin/activate` first") from None

    if command == "page":
        from . import offline

        return offline.write()
    if command == "compile":
        jobs = runs.compile()
        return f"dvc.yaml: compiled again, {jobs} jobs; commit it\n" if jobs else "dvc.yaml: up to date\n"
    if command == "commit":
        return runs.commit_pending()
    if command == "settings":
        return runs.bookkeeping()
    if command == "sync":
        return checkout.sync() + "\n"
    if command == "hook":
        return checkout.hook() + "\n"
    from . import why

    return why.told(studies or [])


if __name__ == "__main__":
    main(sys.argv[1:])
