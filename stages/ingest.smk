"""Take in a corpus: decode it once, list its utterances, and lay out its protocols.

OUTPUTS
    data/ingest/{corpus}/manifest.csv               one row per utterance: speaker, labels, transcript, digest
    data/ingest/{corpus}/audio.h5                   16 kHz mono, decoded once
    data/ingest/{corpus}/quarantine.csv             files left out and departures from the release, with the reason
    data/ingest/{corpus}/ratings.csv                one row per utterance and rater, where the corpus has them
    data/ingest/{corpus}/protocols/{protocol}.csv   fold and role of every utterance
    data/ingest/{corpus}/ceilings.json              planted corpora: what an oracle reaches
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
        code=code.digest("stages.ingest"),
    shell:
        "exec python -m stages.ingest --log {log} --corpus {wildcards.corpus}"
        " --manifest {output.manifest} --audio {output.audio} --quarantine {output.quarantine}"
        " --ratings {output.ratings}"


rule protocol:
    input:
        manifest="data/ingest/{corpus}/manifest.csv",
    output:
        "data/ingest/{corpus}/protocols/{protocol}.csv",
    log:
        "data/logs/protocol/{corpus}-{protocol}.log",
    benchmark:
        "data/benchmarks/protocol/{corpus}-{protocol}.tsv"
    threads: 1
    resources:
        gpu=0,
    params:
        reads=lambda w: plan.reads(f"protocols.{w.protocol}"),
        code=code.digest("stages.protocol"),
    shell:
        "exec python -m stages.protocol --log {log} --corpus {wildcards.corpus} --protocol {wildcards.protocol}"
        " --manifest {input.manifest} --out {output}"


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
        code=code.digest("stages.ceilings"),
    shell:
        "exec python -m stages.ceilings --log {log} --corpus {wildcards.corpus} --out {output}"
