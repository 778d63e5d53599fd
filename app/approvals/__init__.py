"""Who has to agree to what: policies, requests with steps, and everything that keeps them from standing still."""
