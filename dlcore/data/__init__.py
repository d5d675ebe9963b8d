"""From columns to a step's tensors: fields, layout, pieces, order, and what a worker is fed."""
