"""Pretrain the built-in encoders by their own recipes, on voices and sentences that are in no corpus.

OUTPUTS
    data/pretrain/{name}.safetensors   weights, configuration, and the list of its training data
"""


rule pretrain:
    input:
        unpack(lambda w: plan.started(w.name)),
    output:
        "data/pretrain/{name}.safetensors",
    log:
        "data/logs/pretrain/{name}.log",
    benchmark:
        "data/benchmarks/pretrain/{name}.tsv"
    priority: 10  # all other jobs wait for it
    threads: lambda w: plan.params["pretrain"][w.name]["threads"]
    resources:
        gpu=1,
    params:
        reads=lambda w: plan.reads(f"pretrain.{w.name}"),
        code=code_digest.digest("pretrain"),
    shell:
        "exec python -m stages.pretrain --log {log} --reads {params.reads} --encoder {wildcards.name} --out {output}"
