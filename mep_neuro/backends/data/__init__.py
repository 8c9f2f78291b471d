"""Data sets: `load_data` in load.py, `DataSet` in data_set.py, one file per format."""
