"""How results are shown: the HTML page, the Markdown table, the terminal."""
