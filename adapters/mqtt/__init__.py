"""MQTT: our topics, Rhasspy's Hermes topics, and Home Assistant's discovery."""
