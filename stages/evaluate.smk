"""Prove the guards on a system's predictions and score them.

OUTPUTS
    data/evaluate/{study}/{system}.csv    all predictions of the system, validation and test rows
    data/evaluate/{study}/{system}.json   metrics with intervals, per fold and per class

Beside them data/scorings/{corpus}/{protocol}/ keeps count of the scorings (stages/guards/ledger.py).
"""


rule evaluate:
    input:
        unpack(lambda w: plan.files(w.study, ())),
        predictions=lambda w: plan.predictions(w.study, w.system),
        models=lambda w: plan.models(w.study, w.system),
        pretrained=lambda w: plan.pretrained(w.study, w.system),
    output:
        csv="data/evaluate/{study}/{system}.csv",
        json="data/evaluate/{study}/{system}.json",
    log:
        "data/logs/evaluate/{study}-{system}.log",
    benchmark:
        "data/benchmarks/evaluate/{study}-{system}.tsv"
    threads: 1
    resources:
        gpu=0,
    params:
        reads=lambda w: scoring_jobs.evaluate_reads(plan, w.study, w.system),
        code=code_digest.digest("evaluate"),
        seen=lambda w: scoring_jobs.seen_options(plan, w.study, w.system),
    shell:
        "exec python -m stages.evaluate --log {log} --reads {params.reads} --study {wildcards.study} --system {wildcards.system}"
        " --manifest {input.manifest} --protocol {input.protocol} --predictions {input.predictions} --models {input.models}"
        " --pretrained {input.pretrained} {params.seen}"
        " --out-csv {output.csv} --out-json {output.json}"
