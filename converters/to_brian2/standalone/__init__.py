"""Standalone programs: generated, compiled once, and run again with other weights and data.

A model has a device of its own, which is active only while its objects are made and its code is
written, so the user's device, preferences and directories are as they were. A program is named
after a hash of its code and lies in the user's cache: the same network, of any weights, is
compiled once. Weights, drives and the duration are told to it when it starts.
"""
