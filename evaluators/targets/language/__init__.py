"""Language models as targets: how a small one is pretrained."""
