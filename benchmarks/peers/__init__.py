"""Reference services that the benchmarks run beside ours."""
