"""The worker, which runs in the interpreter whose packages are looked at."""
