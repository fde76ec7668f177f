"""Pictures to vectors: the seam, the cards, and the encoders that come with findalike."""
