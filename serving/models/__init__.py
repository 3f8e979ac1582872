"""Language models at hand: made on the spot, pretrained ones that can be installed, those in the Hugging Face cache."""
