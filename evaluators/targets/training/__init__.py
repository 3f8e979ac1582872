"""Trainings as targets that can tune themselves: networks that respond to their hyperparameters, grids of choices"""
