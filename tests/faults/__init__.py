"""Faults as objects: failing networks, dying or hanging programs, held locks, full disks."""
