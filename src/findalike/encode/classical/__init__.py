"""Descriptors that were thought out, not learned: colour, layout, gradients, texture, and hashes."""
