"""How good probabilities are: figures, curves, intervals and importance, and the predictions that they are made of."""
