"""Recipes: how a system is trained. One module per recipe; the rows of ``systems:`` choose and set them.

A module has the class of its settings and two functions. ``train(row, inputs, fold, seed, unit)`` gives the outputs
for ``fold.scored``, arrays (``model/...`` is the whole of the trained model) and notes. ``restored(row, inputs,
arrays)`` gives the same model again, as a function from positions in ``inputs`` to outputs [positions, outputs]:
``arrays`` are those of ``model/...`` without that prefix. After the outputs both give the row's ``columns``, where it
has such. Both go through one code from features to outputs. What both may use of ``inputs`` stands in
:mod:`stages.recipes.recipe_inputs`. A control that sees no audio is never restored.
"""
