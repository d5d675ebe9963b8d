"""Tables whose rows come by date: what was delivered is let in, engineered, judged before it is seen, and pinned for a run."""
