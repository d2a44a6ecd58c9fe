"""The mathematics: what goes downhill, the loop, the update rules. Knows no YAML and no component by name."""
