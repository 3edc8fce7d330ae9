"""One study in memory, as facts and as columns. Pure: no await, thread, clock, I/O or logging."""
