"""The same record in a Tiled server: a folder of runs, sent by a process of its own. Needs ``skysteer[tiled]``."""

from ._store import TiledStore, deliver
from ._upload import Delivered, Upload

__all__ = ["Delivered", "TiledStore", "Upload", "deliver"]
