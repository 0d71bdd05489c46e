"""Models of other people that judge speech, and scores from what they say."""
