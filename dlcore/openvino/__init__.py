"""Models as OpenVINO reads them: made of torch modules or of files, quantised, and run.

``import dlcore`` does not come here: openvino and nncf are an extra, asked for once an IR is made or run.
"""

import sys

# Both packages report each conversion to a statistics service on the net, unless the package that does it cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
