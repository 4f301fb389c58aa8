"""Apply a protocol to a corpus: who trains, validates and tests in each fold, with a check for disjoint speakers.

OUTPUTS
    data/ingest/{corpus}/protocols/{protocol}.csv   fold and role of every utterance
"""


rule protocol:
    input:
        unpack(lambda w: corpus_jobs.protocol_inputs(plan, w.corpus, w.protocol)),
    output:
        "data/ingest/{corpus}/protocols/{protocol}.csv",
    log:
        "data/logs/protocol/{corpus}-{protocol}.log",
    benchmark:
        "data/benchmarks/protocol/{corpus}-{protocol}.tsv"
    priority: 50  # a second, before anything long that ingest set free: labels may have a fault too
    threads: plan.params["ingest"]["workers"]  # so that nothing long takes a core that descriptors need next
    resources:
        gpu=0,
    params:
        reads=lambda w: plan.reads(f"protocols.{w.protocol}"),
        code=code_digest.digest("protocol"),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.protocol --log {log} --reads {params.reads} --corpus {wildcards.corpus} --protocol {wildcards.protocol}"
        " {params.inputs} --out {output}"
