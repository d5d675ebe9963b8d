"""Caffe's models as trainable torch modules: ``load_caffe(prototxt, caffemodel)``. No library of today reads them."""

from dlcore.zoo.caffe.loading import CaffeError, load_caffe

__all__ = ["CaffeError", "load_caffe"]
