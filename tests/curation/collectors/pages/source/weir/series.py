"""Levels and what is computed from them."""


def smooth(levels, window=3, *, centre=True):
    """
    Smooth levels by a moving mean.

    The ends of `levels` are kept as they are. See `crest` for the highest level.

    Parameters
    ----------
    levels : list of float
        Levels in metres, one an hour.
    window : int, optional
        How many levels one mean is taken of.

        .. deprecated:: 1.2
           Even windows are deprecated.
    centre : bool, default True
        Whether a mean stands in the middle of its window.

    Returns
    -------
    list of float
        As many levels as were given.

    Raises
    ------
    ValueError
        If ``window`` is less than one.

    See Also
    --------
    crest : The highest level.

    Notes
    -----
    It takes time in proportion to ``len(levels)``.

    Examples
    --------
    >>> from weir import smooth
    >>> smooth([1.0, 2.0, 6.0])
    [1.0, 3.0, 6.0]

    A wider window changes more:

    >>> for level in smooth([1.0, 2.0, 6.0, 2.0], window=1):
    ...     print(level)
    1.0
    2.0
    6.0
    2.0
    """
    return levels


def crest(levels):
    """Find the highest level.

    :param levels: Levels in metres.
    :type levels: list of float
    :returns: The highest of them.
    :rtype: float
    :raises ValueError: If there are none.

    >>> crest([1.0, 6.0, 2.0])
    6.0
    """
    return max(levels)


def swell(levels, by):
    """Raise all levels.

    .. deprecated:: 1.1
       Use :func:`smooth` instead.

    :param levels: Levels in metres.
    :param float by: How much they are raised.
    """
    return [level + by for level in levels]


class Level:
    """
    One level with the hour at which it was read.

    Parameters
    ----------
    metres : float
        The level.
    hour : int
        The hour.

    Examples
    --------
    >>> Level(1.5, 7).feet()
    4.92126
    """

    def __init__(self, metres, hour):
        self.metres = metres
        self.hour = hour

    @property
    def dry(self):
        """Whether there is no water."""
        return not self.metres

    def feet(self):
        """Give the level in feet.

        :returns: The level.
        """
        return self.metres * 3.28084

    @classmethod
    def parse(cls, text):
        """Read a level such as ``1.5@7``.

        >>> Level.parse("1.5@7").hour
        7
        """
        metres, _, hour = text.partition("@")
        return cls(float(metres), int(hour))
