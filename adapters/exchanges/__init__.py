"""Live bars of exchanges: one file a venue (what is peculiar to it), one shell for all (what is common).

A venue's file is pure. It says how its frames are read, what makes a bar final there, how to subscribe, and
how its history is asked for and read. The shell (`connection`, `history`, `feed`) does the input and output
and knows no venue.
"""
