"""Small facts of the process that every floor needs: forks, clock, values, containment."""
