"""Pictures of a network and of its recordings: functions that return a matplotlib Figure, and files.

raster        who sent when                     plot_raster
membranes     traces over time                  plot_membranes
equilibrium   read-out against the rate         plot_equilibrium
messages      how often each unit sent          plot_messages
weights       the weights of a projection       plot_weights
cube          slices of a 3D population         plot_cube
settling      the residual over the steps       plot_settling
files         all of them that a run has, as PNG files
style         colours, lines, labels
"""
