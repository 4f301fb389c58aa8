"""Distil a teacher into an audio-only student, on condition of the teacher's residuals (Srinivasan 2022).

OUTPUTS
    data/distill/{study}/{system}/{part}.csv           predictions of validation and test rows
    data/distill/{study}/{system}/{part}.safetensors   the models of all folds and seeds
"""


rule distill:
    input:
        unpack(lambda w: training_jobs.system_inputs(plan, w.study, w.system, w.part)),
    output:
        predictions="data/distill/{study}/{system}/{part}.csv",
        models="data/distill/{study}/{system}/{part}.safetensors",
    log:
        "data/logs/distill/{study}-{system}-{part}.log",
    benchmark:
        "data/benchmarks/distill/{study}-{system}-{part}.tsv"
    priority: 9  # long, and after the teacher: not last of all
    threads: plan.params["distill"]["threads"]
    resources:
        gpu=1,
    params:
        reads=lambda w: training_jobs.system_reads(plan, "distill", w.study, w.system),
        code=lambda w: training_jobs.recipe_code(plan, "distill", w.study, w.system),
        encoders=lambda w: training_jobs.system_encoders(plan, w.study, w.system),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.distill --log {log} --reads {params.reads} --study {wildcards.study} --system {wildcards.system}"
        " --part {wildcards.part} {params.encoders} {params.inputs}"
        " --predictions {output.predictions} --models {output.models}"
