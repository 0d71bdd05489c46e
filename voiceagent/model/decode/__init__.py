"""Masked tokens to committed tokens: the decoder that serves, its reference, and filling with everything in view."""
