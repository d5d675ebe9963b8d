"""Artifacts, and batch prediction with them."""
