"""Buffers that a model keeps beside batch statistics, which shares that one worker computes after each other must not change."""

from torch import nn

from dlcore.parallel.normalisation import KEEPING


class OwnBuffers:
    """Sees whether a model has changed a buffer of its own: a share would begin with what another has left."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.note()

    def note(self) -> None:
        """Compare with what the buffers are now."""
        statistics = {
            buffer for module in self._model.modules() if isinstance(module, KEEPING) for buffer in module.buffers()
        }
        others = {name: buffer for name, buffer in self._model.named_buffers() if buffer not in statistics}
        self._seen = {name: (buffer, buffer._version) for name, buffer in others.items()}

    def refuse_changed(self) -> None:
        now = dict(self._model.named_buffers()) if self._seen else {}
        seen = self._seen.items()
        if changed := [
            name for name, (buffer, version) in seen if now.get(name) is not buffer or buffer._version != version
        ]:
            raise ValueError(
                "with Training.logical_workers a step must leave buffers other than those of batch normalisation as they are, since "
                f"shares that a worker computes one after the other would begin with different ones; it has changed {changed}. Train "
                "without logical_workers"
            )
