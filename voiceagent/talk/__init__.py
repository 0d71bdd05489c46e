"""A conversation with a language model: typed or spoken, answered aloud, interrupted at any time."""
