"""The native protocol over WebSocket, with sessions that outlive a connection."""
