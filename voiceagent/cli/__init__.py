"""The `voiceagent` command."""
