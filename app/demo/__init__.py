"""The demo: a company with real districts and made-up customers, and a day of its people."""
