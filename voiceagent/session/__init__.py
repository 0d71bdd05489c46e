"""From commands to events: the state machine of a connection, its utterances, and its place on an event loop."""
