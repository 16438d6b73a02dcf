"""One report on a run of several processes: each rank writes what it observed to a file, and whoever reports reads."""
