"""HBase: its jars and its embedded service, tables with salted keys, and the ways of rows into Spark and back."""
