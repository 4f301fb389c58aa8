"""Recipes that pretrain the built-in encoders: HuBERT by masked prediction, BERT by masked words."""
