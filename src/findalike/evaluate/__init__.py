"""How good an answer is: metrics as pure functions."""
