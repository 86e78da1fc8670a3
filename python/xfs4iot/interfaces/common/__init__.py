"""What every service answers, and end-to-end security."""
