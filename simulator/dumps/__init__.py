"""Register dumps: what programs that execute CPUID write down, and what else tells of a CPU."""
