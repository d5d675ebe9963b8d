"""Networks that users begin with."""
