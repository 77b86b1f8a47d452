"""How fast bytes come."""

import math

AVERAGED_SECONDS = 5.0


class SpeedMeter:
    """A moving average, in bytes a second, in which a measurement fades away within AVERAGED_SECONDS."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._average: float | None = None

    def measure(self, length: int, at: float) -> int:
        """The speed now that `length` bytes are here, at a moment in seconds. A shorter length begins anew."""
        last, self._last = self._last, (length, at)
        if last is None or length < last[0] or at <= last[1]:
            return round(self._average or 0)
        seconds = at - last[1]
        speed = (length - last[0]) / seconds
        weight = 1 - math.exp(-seconds / AVERAGED_SECONDS)
        self._average = speed if self._average is None else self._average + weight * (speed - self._average)
        return round(self._average)
