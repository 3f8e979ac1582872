"""Computer systems as targets: simulated memory, accelerators and chips, and the layout of a training run."""
