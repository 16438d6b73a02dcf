"""What can heal a network: a file for each treatment, which changes a copy and prints the change as a patch."""
