"""Adapt the speech encoder to emotion and gender (Pan 2024, stage 1) or words (Gao 2024, stage 1), per fold and seed.

OUTPUTS
    data/adapt/{study}/{name}/{part}.safetensors     adapted encoders with their heads
"""


rule adapt:
    input:
        unpack(lambda w: training_jobs.chain_inputs(plan, "adapt", w.study, w.name, w.part)),
    output:
        "data/adapt/{study}/{name}/{part}.safetensors",
    log:
        "data/logs/adapt/{study}-{name}-{part}.log",
    benchmark:
        "data/benchmarks/adapt/{study}-{name}-{part}.tsv"
    priority: 10  # the longest chain of the default study: begin it first
    threads: lambda w: plan.entry(w.study, "adapt", w.name)["threads"]
    resources:
        gpu=1,
    params:
        reads=lambda w: training_jobs.chain_reads(plan, "adapt", w.study, w.name),
        code=code_digest.digest("adapt"),
        encoders=lambda w: training_jobs.chain_encoder(plan, "adapt", w.study, w.name),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.adapt --log {log} --reads {params.reads} --study {wildcards.study} --name {wildcards.name}"
        " --part {wildcards.part} {params.encoders} {params.inputs} --out {output}"
