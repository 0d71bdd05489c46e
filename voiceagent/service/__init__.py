"""What every door of one process shares: the engine, the settings, the counters."""
