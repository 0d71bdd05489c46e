"""Deepgram's speak interface, HTTP and WebSocket."""
