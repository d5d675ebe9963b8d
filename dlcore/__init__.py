"""Distributed synchronous SGD on Spark CPU clusters."""
