"""The cost of a study's jobs, from Snakemake's benchmark files and the jobs' logs."""

import csv
from pathlib import Path

from ..runtime import gpu


def read(paths: list[Path]) -> list[dict]:
    """One row per job: ``stage, job, seconds, cpu_seconds, gpu_seconds, memory_mb``.

    All are None if there is no benchmark file (the output came from DVC); memory is also None if it was not measured.
    A job whose log says that it computed on a GPU counts as using it for as long as it ran.
    """
    found = []
    for path in paths:
        row = {"stage": path.parent.name, "job": path.stem, "seconds": None, "cpu_seconds": None, "gpu_seconds": None}
        row["memory_mb"] = None
        if path.is_file():
            with open(path, newline="", encoding="utf-8") as handle:
                runs = list(csv.DictReader(handle, delimiter="\t"))
            row["seconds"], row["cpu_seconds"] = _sum(runs, "s"), _sum(runs, "cpu_time")
            row["gpu_seconds"] = row["seconds"] if _on_gpu(path) else 0.0
            memory = [float(one["max_rss"]) for one in runs if _measured(one["max_rss"])]
            row["memory_mb"] = max(memory) if memory else None
        found.append(row)
    return found


def _measured(value: str | None) -> bool:
    return value not in (None, "", "-", "NA")


def _sum(runs: list[dict], column: str) -> float:
    return sum(float(one[column]) for one in runs if _measured(one.get(column)))


def _on_gpu(benchmark: Path) -> bool:
    log = benchmark.parents[2] / "logs" / benchmark.parent.name / f"{benchmark.stem}.log"
    return log.is_file() and gpu.COMPUTES in log.read_text(encoding="utf-8", errors="replace")


def total(rows: list[dict]) -> dict | None:
    """``seconds``, ``cpu_hours``, ``gpu_hours``, ``memory_mb`` (peak), ``jobs`` and how many were ``unmeasured``."""
    measured = [row for row in rows if row["seconds"] is not None]
    if not measured:
        return None
    return {
        "seconds": sum(row["seconds"] for row in measured),
        "cpu_hours": sum(row["cpu_seconds"] for row in measured) / 3600,
        "gpu_hours": sum(row["gpu_seconds"] for row in measured) / 3600,
        "memory_mb": max((row["memory_mb"] or 0.0 for row in measured), default=0.0),
        "jobs": len(rows),
        "unmeasured": len(rows) - len(measured),
    }


def by_stage(rows: list[dict]) -> dict[str, dict]:
    """{stage: its :func:`total`} of every stage with at least one measured job."""
    stages = {row["stage"]: [one for one in rows if one["stage"] == row["stage"]] for row in rows}
    return {stage: found for stage, own in stages.items() if (found := total(own))}
