"""Complete applications, each a folder with a recipe, a model and the schema of its parameters."""
