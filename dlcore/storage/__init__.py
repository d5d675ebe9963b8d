"""Bytes that appear whole: folders on any file system, and scratch space of this machine."""
