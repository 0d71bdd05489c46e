"""ElevenLabs' HTTP and WebSocket interfaces."""
