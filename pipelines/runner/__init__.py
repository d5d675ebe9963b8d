"""One run of an app: its parameters, its folder, its steps, each performed in turn."""
