"""Editing over HTTP: a recording, what it says, what it shall say."""
