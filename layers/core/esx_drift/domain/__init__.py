"""The pure part: comparing, judging and wording. It reads no clock, no network and no environment."""
