"""The gallery at the doors: its list, its cards, its page."""
