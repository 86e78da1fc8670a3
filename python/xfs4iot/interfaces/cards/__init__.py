"""The rules of card readers: reading, moving, chips, contactless transactions."""
