"""24 kHz waveform to 25 Hz tokens and back."""
