"""Hyperparameters by gradients inside one training: many blocks at once, layers that respond, weights of choices"""
