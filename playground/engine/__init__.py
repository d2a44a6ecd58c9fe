"""The mathematics: what goes downhill, the loop, the update rules. Knows no YAML, no plugin and no component by name."""
