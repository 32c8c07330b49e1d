"""What each task needs beside the network: its loss, its metric, the reading of its outputs."""
