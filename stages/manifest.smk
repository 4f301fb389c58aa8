"""List the utterances of a corpus: labels and measurements of the audio.

OUTPUTS
    data/ingest/{corpus}/manifest.csv     one row per utterance: speaker, labels, transcript, digest
    data/ingest/{corpus}/quarantine.csv   excluded files and departures from the release, with the reason
    data/ingest/{corpus}/ratings.csv      one row per utterance and rater, where the corpus has them
"""


rule manifest:
    input:
        labels="data/inventory/corpora/{corpus}/labels.csv",
        texts="data/inventory/corpora/{corpus}/texts.csv",
        ratings="data/inventory/corpora/{corpus}/ratings.csv",
        departures="data/inventory/corpora/{corpus}/departures.csv",
        audio="data/ingest/{corpus}/audio.csv",
    output:
        manifest="data/ingest/{corpus}/manifest.csv",
        quarantine="data/ingest/{corpus}/quarantine.csv",
        ratings="data/ingest/{corpus}/ratings.csv",
    log:
        "data/logs/manifest/{corpus}.log",
    benchmark:
        "data/benchmarks/manifest/{corpus}.tsv"
    priority: 50  # a second, before anything long that ingest set free: labels may have a fault too
    threads: plan.params["ingest"]["workers"]  # so that nothing long takes a core that descriptors need next
    resources:
        gpu=0,
    params:
        reads=plan.reads(),
        code=code_digest.digest("manifest"),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.manifest --log {log} --reads {params.reads} --corpus {wildcards.corpus} {params.inputs}"
        " --out {output.manifest} --out-quarantine {output.quarantine} --out-ratings {output.ratings}"
