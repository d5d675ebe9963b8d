"""What ranks do together: collectives, sums over shares in one tree, gradients summed while backward runs, who owns which parameters, statistics."""
