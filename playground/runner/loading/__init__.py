"""From a file to a valid scenario with its components: find, override, check, bind."""
