"""Where a library lives: the protocol in `base`, the exact store in `memory`, the one on disk in `lance`."""
