"""What is said between the parts and over the wire: commands, events, outputs and their encoding. No I/O, no clock."""
