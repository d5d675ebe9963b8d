"""Binary classification of tabular rows: split, bags, members, ensemble, measures, scores."""
