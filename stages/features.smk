"""Frozen features, all asked layers of an encoder in one pass: speech encoders over audio, text encoders over transcripts.

OUTPUTS
    data/features/{corpus}/{encoder}.h5                 frames of every utterance, one flat dataset per layer
    data/features/{corpus}/{encoder}/{part}.h5          those of a share of the utterances, where params `shards:` names
                                                        the corpus; the file above then says what lies where
    data/features/{corpus}/{transcripts}/{encoder}.h5   the same for tokens
"""


rule features:
    input:
        unpack(lambda w: corpus_jobs.features_inputs(plan, w.corpus, w.encoder)),
    output:
        "data/features/{corpus}/{encoder}.h5",
    log:
        "data/logs/features/{corpus}-{encoder}.log",
    benchmark:
        "data/benchmarks/features/{corpus}-{encoder}.tsv"
    priority: lambda w: corpus_jobs.features_priority(plan, w.encoder)
    threads: lambda w: corpus_jobs.features_cores(plan, w.encoder, joined=bool(plan.shards(w.corpus, w.encoder)))
    resources:
        gpu=lambda w: int(plan.networked(w.encoder) and not plan.shards(w.corpus, w.encoder)),
    params:
        reads=lambda w: corpus_jobs.features_reads(plan, w.corpus, w.encoder),
        code=code_digest.digest("features"),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.features --log {log} --reads {params.reads} --corpus {wildcards.corpus} --encoder {wildcards.encoder}"
        " --cores {threads} {params.inputs} --out {output}"


rule features_part:
    input:
        unpack(lambda w: corpus_jobs.features_inputs(plan, w.corpus, w.encoder, part=w.part)),
    output:
        "data/features/{corpus}/{encoder}/{part}.h5",
    log:
        "data/logs/features/{corpus}-{encoder}-{part}.log",
    benchmark:
        "data/benchmarks/features/{corpus}-{encoder}-{part}.tsv"
    priority: lambda w: corpus_jobs.features_priority(plan, w.encoder)
    threads: lambda w: corpus_jobs.features_cores(plan, w.encoder)
    resources:
        gpu=lambda w: int(plan.networked(w.encoder)),
    params:
        reads=lambda w: corpus_jobs.features_reads(plan, w.corpus, w.encoder),
        code=code_digest.digest("features"),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.features --log {log} --reads {params.reads} --corpus {wildcards.corpus} --encoder {wildcards.encoder}"
        " --cores {threads} --part {wildcards.part} {params.inputs} --out {output}"


rule features_text:
    input:
        unpack(lambda w: corpus_jobs.features_inputs(plan, w.corpus, w.encoder, w.transcripts)),
    output:
        "data/features/{corpus}/{transcripts}/{encoder}.h5",
    log:
        "data/logs/features/{corpus}-{transcripts}-{encoder}.log",
    benchmark:
        "data/benchmarks/features/{corpus}-{transcripts}-{encoder}.tsv"
    priority: 15  # seconds, and the teacher waits for it
    threads: plan.params["features"]["threads"]
    resources:
        gpu=1,
    params:
        reads=lambda w: corpus_jobs.features_reads(plan, w.corpus, w.encoder),
        code=code_digest.digest("features"),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.features --log {log} --reads {params.reads} --corpus {wildcards.corpus} --encoder {wildcards.encoder}"
        " {params.inputs} --out {output}"
