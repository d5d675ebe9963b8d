"""What survives a group: commits and the driver's chain of them, and how workers meet."""
