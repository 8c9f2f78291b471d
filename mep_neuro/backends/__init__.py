"""The registry of back ends, data sets, RUN folders, comparison and the report."""
