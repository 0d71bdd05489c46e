"""What the HTTP and WebSocket doors share: who may enter, how sockets end, responses that stream, the page."""
