"""Exporters: how measured streams leave the process."""
