"""Tree-structured spaces: nodes in nodes, their tables in study files, and the order in which a tree is decided."""
