"""The delta-sync engine: capture, sequence, merge, push, pull. Knows no Flask, no marshmallow, no app."""
