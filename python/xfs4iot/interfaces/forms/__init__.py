"""The rules of forms: printing them, showing them on a screen, and what they are defined in.

A form or media has one model: the definition of the newest version (the payload of SetForm and SetMedia).
The text of older versions is read into it and written from it: `tokens` has the words of the language,
`grammar` how words become a definition, `printer_language` and `terminal_language` the tables of keywords.
"""
