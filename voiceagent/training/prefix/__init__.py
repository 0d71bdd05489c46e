"""The second layout, text in the sequence, as in the paper: for research, not for serving."""
