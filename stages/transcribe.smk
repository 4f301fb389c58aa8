"""Transcripts of a corpus from one source: the gold ones, gold ones corrupted to a set WER, or Whisper's.

OUTPUTS
    data/transcribe/{corpus}/{transcripts}.csv   text, reference and WER of every utterance
    data/transcribe/{corpus}/wer/{transcripts}.csv   WER of the corpus, of its splits, emotions and sexes
"""


rule transcribe:
    input:
        manifest="data/ingest/{corpus}/manifest.csv",
        audio="data/ingest/{corpus}/audio.h5",
    output:
        table="data/transcribe/{corpus}/{transcripts}.csv",
        rates="data/transcribe/{corpus}/wer/{transcripts}.csv",
    log:
        "data/logs/transcribe/{corpus}-{transcripts}.log",
    benchmark:
        "data/benchmarks/transcribe/{corpus}-{transcripts}.tsv"
    threads: lambda w: plan.params["transcripts"][w.transcripts].get("threads", 1)
    resources:
        gpu=lambda w: int(plan.params["transcripts"][w.transcripts]["kind"] == "whisper"),
    params:
        reads=lambda w: plan.reads(f"transcripts.{w.transcripts}"),
        code=code_digest.digest("transcribe"),
    shell:
        "exec python -m stages.transcribe --log {log} --reads {params.reads} --corpus {wildcards.corpus} --source {wildcards.transcripts}"
        " --manifest {input.manifest} --audio {input.audio} --out {output.table} --rates {output.rates}"
