"""What keeps the coupled map contracting: the spectral bound and its certificate; homeostasis."""
