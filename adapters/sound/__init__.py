"""Loudspeakers and microphones of this machine."""
