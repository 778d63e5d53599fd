"""Who works here: tenants, units, people, devices, sessions, territories."""
