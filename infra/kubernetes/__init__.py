"""Emberline on Kubernetes: what Spark and Airflow's official chart need to run its DAGs there, rendered as YAML, and its image."""
