"""What whoever runs it watches: the log, the metrics, a sign of life for a watcher elsewhere."""
