"""Teach findalike: heads and networks that are trained on one's own pictures, and exported to ONNX with a
card.

The only place that imports torch; what serves never imports this.
"""
