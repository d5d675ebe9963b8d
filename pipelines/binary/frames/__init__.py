"""The frames that models are made of: split by time, drawn into bags, with the statistics of the training rows."""
