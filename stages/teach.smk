"""Train the multimodal teachers and keep what they say of every training utterance (Srinivasan 2022).

OUTPUTS
    data/teach/{study}/{system}/{part}.csv           predictions of validation and test rows
    data/teach/{study}/{system}/{part}.safetensors   the models of all folds and seeds
    data/teach/{study}/{system}/{part}.views.safetensors   embeddings and predictions, for the student
"""


rule teach:
    input:
        unpack(lambda w: training_jobs.system_inputs(plan, w.study, w.system, w.part)),
    output:
        predictions="data/teach/{study}/{system}/{part}.csv",
        models="data/teach/{study}/{system}/{part}.safetensors",
        views="data/teach/{study}/{system}/{part}.views.safetensors",
    log:
        "data/logs/teach/{study}-{system}-{part}.log",
    benchmark:
        "data/benchmarks/teach/{study}-{system}-{part}.tsv"
    priority: 9  # a student waits for it
    threads: plan.params["teach"]["threads"]
    resources:
        gpu=1,
    params:
        reads=lambda w: training_jobs.system_reads(plan, "teach", w.study, w.system),
        code=lambda w: training_jobs.recipe_code(plan, "teach", w.study, w.system),
        encoders=lambda w: training_jobs.system_encoders(plan, w.study, w.system),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.teach --log {log} --reads {params.reads} --study {wildcards.study} --system {wildcards.system}"
        " --part {wildcards.part} {params.encoders} {params.inputs}"
        " --predictions {output.predictions} --models {output.models} --views {output.views}"
