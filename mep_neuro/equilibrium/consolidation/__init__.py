"""From sums of contrasts to one stable step: Muon and Dion, and consolidation by itself."""
