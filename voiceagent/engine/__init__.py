"""From chunks to samples: whose block moves next, the step that all streams share, and the thread that owns the
device.
"""
