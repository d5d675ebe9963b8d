"""Figures of predictions on held-out rows, exact however the rows are shared out."""
