"""Spoken words to phonemes, and the lexicon of a user."""
