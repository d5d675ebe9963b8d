"""Card transactions simulated by the rules of the Fraud Detection Handbook: entities that act, and labels that come a week late."""
