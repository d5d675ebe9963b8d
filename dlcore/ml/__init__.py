"""Networks in Spark ML: estimators and models for its pipelines, grids and cross-validation."""
