"""Binary codes of pictures: exact search by Hamming distance, on arrays and on DataFrames, and how good the neighbours are.

A code is so many bytes; the distance of two is the number of bits in which they differ. Neighbours at one distance are ordered by key.

    Index.of(keys, codes).nearest(queries, k=10)        # arrays
    Neighbours(k=10)(queries, index)                    # DataFrames of (key, code): key, neighbour, distance, rank
"""
