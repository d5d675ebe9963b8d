"""Ranks as barrier tasks on Spark's executors."""
