"""Raw text as a language model writes it, to words and marks: markdown, HTML, SSML, formulas, code."""
