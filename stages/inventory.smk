"""Inventories of raw corpora and published weights. The Snakefile updates these files when it starts, so the rules run
only if one is missing: before the download of a corpus.

OUTPUTS
    data/inventory/corpora/{corpus}/files.csv        every file, its size and SHA-256
    data/inventory/corpora/{corpus}/labels.csv       labels of every utterance
    data/inventory/corpora/{corpus}/texts.csv        its transcript
    data/inventory/corpora/{corpus}/extra.csv        columns of a user's own table that the manifest does not know
    data/inventory/corpora/{corpus}/ratings.csv      single raters
    data/inventory/corpora/{corpus}/departures.csv   what departs from the release
    data/inventory/encoders/{encoder}.csv            files of an encoder's folder
    data/inventory/transcripts/{transcripts}.csv     the file of a Whisper model
"""

from stages.raw_inputs import names


rule inventory:
    output:
        **names.corpus("{corpus}"),
    log:
        "data/logs/inventory/{corpus}.log",
    threads: 1
    resources:
        gpu=0,
    shell:
        "exec python -m stages.inventory --log {log} --corpus {wildcards.corpus}"


rule inventory_encoder:
    output:
        names.weights(names.ENCODERS, "{encoder}"),
    log:
        "data/logs/inventory/encoder-{encoder}.log",
    threads: 1
    resources:
        gpu=0,
    shell:
        "exec python -m stages.inventory --log {log} --encoder {wildcards.encoder}"


rule inventory_transcripts:
    output:
        names.weights(names.TRANSCRIPTS, "{transcripts}"),
    log:
        "data/logs/inventory/transcripts-{transcripts}.log",
    threads: 1
    resources:
        gpu=0,
    shell:
        "exec python -m stages.inventory --log {log} --source {wildcards.transcripts}"
