"""Any program on a node: seccomp, ssh, qemu."""
