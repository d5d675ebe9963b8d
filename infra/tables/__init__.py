"""Tables of immutable snapshots whose partitions are replaced whole: Hive, the fence of writers, Hadoop's file systems."""
