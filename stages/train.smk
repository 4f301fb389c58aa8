"""Train single systems: probes, fine-tuning, fusion, controls. One module of stages/recipes/ per recipe.

OUTPUTS
    data/train/{study}/{system}/{part}.csv           predictions of validation and test rows
    data/train/{study}/{system}/{part}.safetensors   the models of all folds and seeds
"""


rule train:
    input:
        unpack(lambda w: training_jobs.system_inputs(plan, w.study, w.system, w.part)),
    output:
        predictions="data/train/{study}/{system}/{part}.csv",
        models="data/train/{study}/{system}/{part}.safetensors",
    log:
        "data/logs/train/{study}-{system}-{part}.log",
    benchmark:
        "data/benchmarks/train/{study}-{system}-{part}.tsv"
    priority: lambda w: 5 if plan.row(w.study, w.system).heavy else 0  # hours, beside seconds
    threads: lambda w: training_jobs.training_cores(plan, w.study, w.system)
    resources:
        gpu=lambda w: int(plan.row(w.study, w.system).takes_gpu),
    params:
        reads=lambda w: training_jobs.system_reads(plan, "train", w.study, w.system),
        code=lambda w: training_jobs.recipe_code(plan, "train", w.study, w.system),
        encoders=lambda w: training_jobs.system_encoders(plan, w.study, w.system),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.train --log {log} --reads {params.reads} --study {wildcards.study} --system {wildcards.system}"
        " --part {wildcards.part} --cores {threads} {params.encoders} {params.inputs}"
        " --predictions {output.predictions} --models {output.models}"
