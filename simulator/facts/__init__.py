"""CPUs, and what each generation of kernels makes of them."""
