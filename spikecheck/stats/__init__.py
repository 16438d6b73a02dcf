"""Statistics: measure the tensors of a site on the device, in fixed memory, and return plain numbers."""
