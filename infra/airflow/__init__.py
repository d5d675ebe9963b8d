"""The embedded Airflow: its life, its REST interface, and how a run of it is followed."""
