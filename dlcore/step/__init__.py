"""One rank's steps of synchronous SGD, without Spark."""
