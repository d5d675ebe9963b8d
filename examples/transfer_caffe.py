"""Transfer learning on a Caffe net: cut at a named layer, frozen up to it, with a head appended; and a Siamese network on it.

python -m examples.transfer_caffe DEPLOY.prototxt TRAINED.caffemodel
"""

import sys
from functools import partial

from torch import nn

from dlcore.zoo.caffe import load_caffe
from dlcore.zoo.cutting import cut, freeze
from examples.digits import Siamese, classified, compared


def features(prototxt: str, caffemodel: str) -> nn.Module:
    """Of pictures [N, 1, 8, 8], 144 numbers each: what the net has at the end of ``relu2``."""
    trained = load_caffe(prototxt, caffemodel)
    freeze(trained, upto="relu2")
    return nn.Sequential(cut(trained, "relu2"), nn.Flatten())


def classifier(prototxt: str, caffemodel: str) -> nn.Module:
    return nn.Sequential(features(prototxt, caffemodel), nn.Linear(144, 10))


def siamese(prototxt: str, caffemodel: str) -> nn.Module:
    return Siamese(features(prototxt, caffemodel), width=144)


def main(prototxt: str, caffemodel: str) -> None:
    for what, fit, model in (("digits", classified, classifier), ("pairs", compared, siamese)):
        print(what, fit(partial(model, prototxt, caffemodel), (1, 8, 8)).history[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
