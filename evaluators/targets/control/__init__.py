"""Reinforcement learning as a target: small control tasks, and an agent that learns them."""
