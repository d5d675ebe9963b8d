"""The steps that applications chain, each a frozen dataclass whose ``run`` returns an ``Outcome``."""
