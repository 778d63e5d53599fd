"""Mutants of SQL that are made by rule, and the run that sees which of them a test or a history finds."""
