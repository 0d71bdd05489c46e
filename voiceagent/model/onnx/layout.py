"""What the graphs and those who feed them agree on."""

from __future__ import annotations

GRAPH_VERSION = 1  # of the graphs' inputs and outputs, and of how their weights are made
PADDED_LEVELS = 8  # columns of logits a digit; those beyond its levels are never chosen
EXACT, REDUCED = 127, 64  # the largest weight of eight bits, where sums are exact and where they would not be
FRAME_LEFT = 2  # neighbours to the left of a block of the decoder's frames, in steps of its dilation
