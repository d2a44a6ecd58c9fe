"""The mathematics: problems, the descent loop, update rules, derivatives. Depends on neither YAML nor components."""
