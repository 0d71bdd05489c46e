"""Change words of a recording: alignment, regeneration, splicing."""
