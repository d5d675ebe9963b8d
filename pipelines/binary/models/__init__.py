"""Networks and the ensemble that they make together."""
