"""Networks and what belongs to them: SSD with its priors, loss and decoding, mean average precision, and Caffe's models."""
