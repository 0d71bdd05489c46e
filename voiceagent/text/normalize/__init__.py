"""Written words to spoken words: figures, dates, money, addresses, abbreviations. English."""
