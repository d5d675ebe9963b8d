"""Rules that are pure functions of the step or the gradient: schedules, clipping, LARS."""
