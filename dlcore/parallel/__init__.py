"""What ranks do together: collectives, sums over shares, gradients summed while backward runs, who owns which parameters, statistics."""
