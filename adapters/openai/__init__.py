"""OpenAI's speech interface."""
