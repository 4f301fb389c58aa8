"""All parameters as a whole: their models put together, the catalogue under params.yaml, checks across sections."""
