"""Objects of pictures as binary codes, and their look-alikes by the codes' distance."""
