"""Fine-tuning and transfer as targets: subspaces, soups, probes, preferences, hypernetworks."""
