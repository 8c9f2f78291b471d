"""Networks as numpy arrays, stimuli, recordings and the numpy reference run."""
