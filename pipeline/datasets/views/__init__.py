"""The views of a run: tables of rows derived from traces."""
