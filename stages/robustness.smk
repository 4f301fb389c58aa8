"""Trained systems tried on noisy copies of their test utterances, or on another corpus; nothing is retrained.

OUTPUTS
    data/robustness/{study}/{trial}/{system}.csv    predictions of what was tried
    data/robustness/{study}/{trial}/{system}.json   their figures beside the study's own
"""


rule robustness:
    input:
        unpack(lambda w: condition_jobs.inputs(plan, w.study, w.trial, w.system)),
    output:
        csv="data/robustness/{study}/{trial}/{system}.csv",
        json="data/robustness/{study}/{trial}/{system}.json",
    log:
        "data/logs/robustness/{study}-{trial}-{system}.log",
    benchmark:
        "data/benchmarks/robustness/{study}-{trial}-{system}.tsv"
    threads: plan.params["features"]["threads"]
    resources:
        gpu=0,
    params:
        reads=lambda w: condition_jobs.reads(plan, w.study, w.trial, w.system),
        code=lambda w: training_jobs.recipe_code(plan, "robustness", w.study, w.system),
        how=lambda w: condition_jobs.options(plan, w.study, w.trial, w.system),
        inputs=lambda w, input: options(input),
    shell:
        "exec python -m stages.robustness --log {log} --reads {params.reads} --study {wildcards.study} --name {wildcards.trial}"
        " --system {wildcards.system} {params.how} {params.inputs} --out-csv {output.csv} --out-json {output.json}"
