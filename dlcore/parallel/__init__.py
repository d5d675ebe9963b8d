"""What ranks do together: collectives, gradients summed while backward runs, who owns which parameters, batch statistics."""
