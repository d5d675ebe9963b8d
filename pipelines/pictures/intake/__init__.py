"""Delivered pictures let in: read with their annotations, judged, put into HBase, catalogued; what is not let in has its reason."""
