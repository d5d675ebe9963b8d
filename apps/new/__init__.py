"""``python -m apps new``: a working application of a user's own data, to be edited."""
