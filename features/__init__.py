"""Feature engineering: DataFrame to DataFrame, and ndarray to ndarray, with no session and no IO of its own."""
