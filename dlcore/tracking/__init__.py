"""What shows a run to people while it runs: callbacks that draw a bar, or write what other programs draw."""
