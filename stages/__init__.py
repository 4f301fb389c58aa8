"""Serpentine: one script per stage of the DAG, and the library that they share."""
