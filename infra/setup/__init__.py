"""Set-up from nothing, and its removal: environment, Java, data."""
