"""The rules of keys, and of what is done with them: KeyManagement, Crypto, Keyboard, PinPad, German."""
