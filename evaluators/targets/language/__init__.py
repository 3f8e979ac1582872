"""Language models as targets: how a small one is pretrained, and which part of a long text is read."""
