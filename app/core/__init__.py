"""What every room stands on: database, errors, clock, ids, scope. No HTTP here."""
