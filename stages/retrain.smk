"""Retrain the speech encoder by masked prediction of the pseudo-labels (Pan 2024, stage 2).

OUTPUTS
    data/retrain/{study}/{name}/{part}.safetensors   retrained encoders
"""


rule retrain:
    input:
        unpack(lambda w: training_jobs.chain_inputs(plan, "retrain", w.study, w.name, w.part)),
    output:
        "data/retrain/{study}/{name}/{part}.safetensors",
    log:
        "data/logs/retrain/{study}-{name}-{part}.log",
    benchmark:
        "data/benchmarks/retrain/{study}-{name}-{part}.tsv"
    priority: 10  # the longest chain of the default study: begin it first
    threads: lambda w: plan.entry(w.study, "retrain", w.name)["threads"]
    resources:
        gpu=1,
    params:
        reads=lambda w: training_jobs.chain_reads(plan, "retrain", w.study, w.name),
        code=code_digest.digest("retrain"),
        encoders=lambda w: training_jobs.chain_encoder(plan, "retrain", w.study, w.name),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.retrain --log {log} --reads {params.reads} --study {wildcards.study} --name {wildcards.name}"
        " --part {wildcards.part} {params.encoders} {params.inputs} --out {output}"
