"""The books of a process' memory, between the application that keeps them and its collectors."""
