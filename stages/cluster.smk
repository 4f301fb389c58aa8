"""Frame-level pseudo-labels of several layers at several scales, fitted on training folds (Pan 2024, stage 1).

OUTPUTS
    data/cluster/{study}/{name}/{part}.safetensors   frame labels by layer and scale, figures of quality
"""


rule cluster:
    input:
        unpack(lambda w: training_jobs.chain_inputs(plan, "cluster", w.study, w.name, w.part)),
    output:
        "data/cluster/{study}/{name}/{part}.safetensors",
    log:
        "data/logs/cluster/{study}-{name}-{part}.log",
    benchmark:
        "data/benchmarks/cluster/{study}-{name}-{part}.tsv"
    priority: 10  # the longest chain of the default study: begin it first
    threads: lambda w: plan.entry(w.study, "cluster", w.name)["threads"]
    resources:
        gpu=1,
    params:
        reads=lambda w: training_jobs.chain_reads(plan, "cluster", w.study, w.name),
        code=code_digest.digest("cluster"),
        encoders=lambda w: training_jobs.chain_encoder(plan, "cluster", w.study, w.name),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.cluster --log {log} --reads {params.reads} --study {wildcards.study} --name {wildcards.name}"
        " --part {wildcards.part} {params.encoders} {params.inputs} --out {output}"
