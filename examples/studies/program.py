"""A program to be tuned: reads its parameters, prints its result as the last line."""

import argparse
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, required=True)
parser.add_argument("--y", type=float, required=True)
given = parser.parse_args()

if given.x + given.y > 1.6:
    sys.exit("the wall: x + y must not exceed 1.6")
print((given.x - 0.9) ** 2 + (given.y - 0.6) ** 2)
