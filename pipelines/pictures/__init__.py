"""Pictures of objects by day: taken in from landing files, prepared, and shown; what they show is no matter of this room."""
