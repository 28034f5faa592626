"""A made-up library about water levels, whose documentation the collectors' tests read."""

from weir.series import Level, crest, smooth, swell

__all__ = ["Level", "crest", "smooth", "swell"]
