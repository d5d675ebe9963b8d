"""Card-transaction fraud: an ensemble of neural networks trained on bagged samples."""
