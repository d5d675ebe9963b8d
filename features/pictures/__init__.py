"""Pictures and the boxes in them: decoded, transformed, prepared on Spark and in training's loaders; OpenCV and numpy alone.

A picture is an array [height, width, 3] of bytes in OpenCV's channel order (blue, green, red). A box is (left, top, right, bottom) in
pixels, measured at the pixels' edges: the whole of a picture is (0, 0, width, height), and a box of one pixel has area 1.

    preparation = Preparation(chain=ssd(300, 300))
    ready = Prepare(preparation=preparation, picture="jpeg", targets="boxes")(df)   # on Spark: a bad row has its reason in ``error``
    Training(..., transform=Loading(preparation=preparation))                       # in training's loaders: by seed, epoch and row
"""
