"""From answers to a label that holds still, or an honest doubt."""
