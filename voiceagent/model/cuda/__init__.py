"""Decoding with every stream's memory on the device: one copy in, one captured graph a tick."""
