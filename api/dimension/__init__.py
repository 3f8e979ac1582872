"""``trialogue dimension``: how many numbers a study needs."""
