"""One file a spiking library, the only code that names it; `generic` where none knows a layer."""
