"""What a settle steps with: solvers, and the modes and forms of the states that they move."""
