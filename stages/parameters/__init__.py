"""The parameters that are in force: the catalogue with params.yaml over it, and the schema of both for editors."""
