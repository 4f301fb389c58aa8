"""Ingest a corpus: decode it once and check every file.

OUTPUTS
    data/ingest/{corpus}/audio.h5    16 kHz mono, decoded once
    data/ingest/{corpus}/audio.csv   duration and digest of every utterance, or why it is unusable
"""


rule ingest:
    input:
        files="data/inventory/corpora/{corpus}/files.csv",
    output:
        audio="data/ingest/{corpus}/audio.h5",
        table="data/ingest/{corpus}/audio.csv",
    log:
        "data/logs/ingest/{corpus}.log",
    benchmark:
        "data/benchmarks/ingest/{corpus}.tsv"
    priority: 60  # before all else: a fault of the corpus shows before anything long begins
    threads: plan.params["ingest"]["workers"]
    resources:
        gpu=0,
    params:
        reads=lambda w: corpus_jobs.ingest_reads(plan, w.corpus),
        code=code_digest.digest("ingest"),
    shell:
        "exec python -m stages.ingest --log {log} --reads {params.reads} --corpus {wildcards.corpus}"
        " --files {input.files} --audio {output.audio} --table {output.table}"
