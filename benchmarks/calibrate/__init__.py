"""What calibrate() gains over the weights that libraries begin with, and over the usual initializers."""
