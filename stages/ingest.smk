"""Take in a corpus: decode it once and list its utterances.

OUTPUTS
    data/ingest/{corpus}/manifest.csv               one row per utterance: speaker, labels, transcript, digest
    data/ingest/{corpus}/audio.h5                   16 kHz mono, decoded once
    data/ingest/{corpus}/quarantine.csv             files left out and departures from the release, with the reason
    data/ingest/{corpus}/ratings.csv                one row per utterance and rater, where the corpus has them
"""


rule ingest:
    output:
        manifest="data/ingest/{corpus}/manifest.csv",
        audio="data/ingest/{corpus}/audio.h5",
        quarantine="data/ingest/{corpus}/quarantine.csv",
        ratings="data/ingest/{corpus}/ratings.csv",
    log:
        "data/logs/ingest/{corpus}.log",
    benchmark:
        "data/benchmarks/ingest/{corpus}.tsv"
    threads: plan.params["ingest"]["workers"]
    resources:
        gpu=0,
    params:
        reads=lambda w: plan.reads("ingest", f"corpora.{w.corpus}"),
        code=code_digest.digest("ingest"),
    shell:
        "exec python -m stages.ingest --log {log} --reads {params.reads} --corpus {wildcards.corpus}"
        " --manifest {output.manifest} --audio {output.audio} --quarantine {output.quarantine}"
        " --ratings {output.ratings}"
