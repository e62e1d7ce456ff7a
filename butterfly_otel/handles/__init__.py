"""Handles before and after configure(), bound instruments, timers."""
