"""What words mean for pictures: the lexicon of the default network's classes, and banks of what pixels and
metadata decide."""
