"""The speech language model, the plan of a chunk on the token grid, and the aligner."""
