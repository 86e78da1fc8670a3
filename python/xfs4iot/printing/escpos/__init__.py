"""ESC/POS, the language of most receipt printers: understood, drawn, written, and its answers."""
