"""Transcripts of a corpus from one source: gold, gold corrupted to a set WER, or Whisper.

OUTPUTS
    data/transcribe/{corpus}/{transcripts}.csv   text, reference and WER of every utterance
"""


rule transcribe:
    input:
        unpack(lambda w: corpus_jobs.transcribe_inputs(plan, w.corpus, w.transcripts)),
    output:
        "data/transcribe/{corpus}/{transcripts}.csv",
    log:
        "data/logs/transcribe/{corpus}-{transcripts}.log",
    benchmark:
        "data/benchmarks/transcribe/{corpus}-{transcripts}.tsv"
    priority: 15  # all that reads words waits for it
    threads: lambda w: plan.params["transcripts"][w.transcripts].get("threads", 1)
    resources:
        gpu=lambda w: int(plan.params["transcripts"][w.transcripts]["kind"] == "whisper"),
    params:
        reads=lambda w: plan.reads(f"transcripts.{w.transcripts}"),
        code=code_digest.digest("transcribe"),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.transcribe --log {log} --reads {params.reads} --corpus {wildcards.corpus} --source {wildcards.transcripts}"
        " {params.inputs} --out {output}"
