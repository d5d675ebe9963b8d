"""The answers of OpenCV 4.14, the last line that reads Caffe's files, to the nets of the tests; OpenCV 5 cannot.

By a Python with ``opencv-python-headless<5``, after ``nets`` wrote the files into FOLDER, beside which lie the face detector's
as ``face.prototxt`` and ``face.caffemodel``: ``python answers.py FOLDER answers.npz``.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    answers = {}
    for prototxt in sorted(folder.glob("*.prototxt")):
        net = cv2.dnn.readNetFromCaffe(str(prototxt), str(prototxt.with_suffix(".caffemodel")))  # type: ignore[attr-defined]
        net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        net.setInput(np.load(prototxt.with_suffix(".npy")))
        answers[prototxt.stem] = net.forward()
    answers["face"] = answers["face"][:, :, answers["face"][0, 0, :, 2] > 0]  # it pads with rows of zeros
    np.savez_compressed(sys.argv[2], **answers)
    print({name: answer.shape for name, answer in answers.items()})
