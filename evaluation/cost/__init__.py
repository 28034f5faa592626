"""What an expert costs, against asking a hosted model: arithmetic on inputs that are given, measured or assumed.

Every figure carries its formula with the numbers in it. Fetches nothing: prices are data files, each with a date and a
source.
"""
