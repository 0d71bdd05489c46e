"""Home Assistant's Wyoming protocol."""
