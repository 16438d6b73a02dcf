"""Which faults of the truth benchmark are healed by a treatment that is proved."""
