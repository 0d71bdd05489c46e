"""Samples and the bytes that carry them: formats, encoders, WAV files, the buffer before a loudspeaker."""
