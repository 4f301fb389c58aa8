"""Scores of an oracle that knows the truth of a planted corpus.

OUTPUTS
    data/ingest/{corpus}/ceilings.json   {modality: {metric: value}}
"""


rule ceilings:
    output:
        "data/ingest/{corpus}/ceilings.json",
    log:
        "data/logs/ceilings/{corpus}.log",
    benchmark:
        "data/benchmarks/ceilings/{corpus}.tsv"
    threads: 1
    resources:
        gpu=0,
    params:
        reads=lambda w: plan.reads(f"corpora.{w.corpus}"),
        code=code_digest.digest("ceilings"),
    shell:
        "exec python -m stages.ceilings --log {log} --reads {params.reads} --corpus {wildcards.corpus} --out {output}"
