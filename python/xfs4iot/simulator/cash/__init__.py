"""The mechanism of simulated cash devices: dispensers, acceptors and recyclers are this one machine."""
