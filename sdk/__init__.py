"""What app developers are given: SDKs, and definitions for their stores."""
