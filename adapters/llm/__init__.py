"""Language models as sources of text."""
