"""Transfer learning by Keras: a trained model cut at a named layer, frozen up to it, with a head appended; and a Siamese network on it.

python -m examples.transfer_keras TRAINED.keras
"""

import sys
from functools import partial
from typing import Any

from dlcore.keras import KerasNetwork, keras
from examples.digits import classified, compared


def features(file: str) -> Any:
    trained = keras.models.load_model(file, compile=False)
    features = keras.Model(trained.inputs, trained.get_layer("high").output)  # cut
    features.trainable = False  # frozen
    return features


def classifier(file: str) -> Any:
    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Flatten()(features(file)(inputs))
    return keras.Model(inputs, keras.layers.Dense(10, name="head")(hidden))


def siamese(file: str) -> Any:
    inputs = {name: keras.Input((8, 8, 1), name=name) for name in ("one", "other")}
    cut, flat = features(file), keras.layers.Flatten()
    one, other = (flat(cut(each)) for each in inputs.values())
    return keras.Model(inputs, keras.layers.Dense(1)(keras.ops.abs(one - other)))


def main(file: str) -> None:
    for what, fit, model in (("digits", classified, classifier), ("pairs", compared, siamese)):
        print(what, fit(KerasNetwork(partial(model, file)), (8, 8, 1)).history[-1])


if __name__ == "__main__":
    main(sys.argv[1])
