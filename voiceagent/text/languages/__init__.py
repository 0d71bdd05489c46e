"""Text in other languages than English: chunks by their own punctuation, written to spoken words, phonemes.

Each needs an extra. Of markup, marks of emphasis, headings and lists and the addresses of links are left out, and no
more.
"""
