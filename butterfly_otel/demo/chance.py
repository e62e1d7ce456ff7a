"""The simulation's random numbers: one seed, one simulation."""

from __future__ import annotations

import math
import random

#: Above this mean a Poisson distribution is a normal one for our purposes.
_NORMAL_FROM = 60.0


class Chance(random.Random):
    """Seeded random numbers in the shapes a cluster needs. Not for secrets."""

    def happens(self, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        return self.random() < probability

    def spread(self, middle: float, sigma: float) -> float:
        """Draw a positive value around ``middle``, log-normal as latencies are."""
        return middle * math.exp(self.gauss(0.0, sigma))

    def poisson(self, mean: float) -> int:
        """Draw how many independent events happen where ``mean`` are expected."""
        if mean <= 0.0:
            return 0
        if mean > _NORMAL_FROM:
            return max(0, round(self.gauss(mean, math.sqrt(mean))))
        # Knuth's method: multiply uniform numbers until their product is too small.
        limit, count, product = math.exp(-mean), 0, self.random()
        while product > limit:
            count += 1
            product *= self.random()
        return count
