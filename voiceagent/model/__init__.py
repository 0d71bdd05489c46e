"""The codec and the speech language model, and how both are read and run."""
