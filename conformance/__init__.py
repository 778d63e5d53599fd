"""The sync protocol's scenarios against any server, over HTTP alone; `python -m conformance --help`."""
