"""llama.cpp's server: where it is installed, and load on it."""
