"""What the package costs beside what a program would do without it; ``python -m benchmarks``."""
