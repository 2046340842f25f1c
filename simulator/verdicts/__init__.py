"""One migration judged: the kernel's opinion and ours."""
