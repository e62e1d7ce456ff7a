"""What an exposition is made of: names, labels, series, blocks and families, before any format.

Everything here is data or a pure function of it, and knows nothing of collecting, formats or
HTTP; of the engine it reads cells. It imports nothing from the rooms beside it.
"""
