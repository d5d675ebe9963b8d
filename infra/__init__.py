"""Clients and services around the platform: Spark, Hive, HBase, Airflow, Great Expectations, and their embedded defaults."""
