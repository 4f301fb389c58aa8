"""One report per study: the result table with intervals and ceilings, paper against ours, figures, provenance.

OUTPUTS
    data/report/{study}/index.html       one self-contained page
    data/report/{study}/metrics.json     every metric, test rows only
    data/report/{study}/comparison.csv   the papers' figures beside ours
    data/report/{study}/table.csv        the result table; results.md and results.tex to paste
    data/report/{study}/plots/*.csv      the figures' data, for `dvc plots`
"""

from stages.workflow import benchmark_files
from stages.pages.plots import PLOTS


rule report:
    input:
        unpack(lambda w: scoring_jobs.report_inputs(plan, w.study)),
        published="data/published.csv",
        coverage="data/coverage.csv",
    output:
        html="data/report/{study}/index.html",
        metrics="data/report/{study}/metrics.json",
        comparison="data/report/{study}/comparison.csv",
        table="data/report/{study}/table.csv",
        markdown="data/report/{study}/results.md",
        latex="data/report/{study}/results.tex",
        plots=expand("data/report/{{study}}/plots/{name}.csv", name=PLOTS),
    log:
        "data/logs/report/{study}.log",
    benchmark:
        "data/benchmarks/report/{study}.tsv"
    threads: 1
    resources:
        gpu=0,
    params:
        reads=lambda w: scoring_jobs.report_reads(plan, w.study),
        code=code_digest.digest("report"),
        optional=lambda w, input: " ".join(f"--{n} {input[n]}" for n in ("extra", "transcripts") if n in input.keys()),
        tried=lambda w, input: f"--robustness {input.robustness}" if "robustness" in input.keys() else "",
        ceilings=lambda w, input: f"--ceilings {input.ceilings}" if "ceilings" in input.keys() else "",
        ledger=lambda w: plan.ledger(w.study),
        benchmarks=lambda w: benchmark_files.of_study(plan, w.study),
        folder=lambda w, output: output.html.rpartition("/")[0],
    shell:
        "exec python -m stages.report --log {log} --reads {params.reads} --study {wildcards.study} --manifest {input.manifest}"
        " --protocol {input.protocol} --quarantine {input.quarantine} --evaluations {input.evaluations}"
        " {params.optional} {params.tried} {params.ceilings} --coverage {input.coverage} --ledger {params.ledger} --benchmarks {params.benchmarks}"
        " --out {params.folder}"
