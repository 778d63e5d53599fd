"""Sandboxes: companies for app developers that go back to a kept state."""
